# The service: one image, one command for each process.
FROM python:3.11-slim
WORKDIR /yewu
COPY requirements.lock pyproject.toml README.md ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY aggregates aggregates
COPY projections projections
COPY infra infra
COPY services services
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && useradd --system yewu \
    && install -d -o yewu -m 0700 /var/lib/yewu /var/lib/yewu/contents
USER yewu
ENTRYPOINT ["yewu"]
