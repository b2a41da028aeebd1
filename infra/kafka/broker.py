"""Apache Kafka for one machine: one node of it, its jars by Maven, and nothing left running."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Self

from infra.child import end_with_this_thread, free_port, wait_until
from infra.kafka import KafkaTrouble

OLDEST_JAVA = 17
SECONDS_TO_START = 90
SECONDS_TO_STOP = 30
PACKAGES = ("default-jre-headless", "maven")
"""What Debian calls Java and Maven."""

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised},CONTROLLER://127.0.0.1:{controller}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
log.retention.ms=-1
"""
WHAT_DO_YOU_KNOW = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""Kafka's request ApiVersions, version 0: its length, its kind, its version, a number to answer it by, and no name."""

LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c: %m%n
"""


class KafkaBrokerError(KafkaTrouble):
    """Kafka cannot run here; one sentence says why, and what to do or where to read on."""


class LocalKafka:
    """One broker in one folder, for as long as the process that started it lives; for this machine alone.

    `port`: where it listens; None: on whichever port is free, the same one at each start of this folder.
    `advertised`: the port that it tells its clients to come to, if another; something there has to lead to it.
    `short_lived`: it is ready sooner, and would be slower later on.
    """

    def __init__(
        self, home: Path, *, port: int | None = None, advertised: int | None = None, short_lived: bool = False
    ) -> None:
        self.home = home.expanduser().resolve()
        self.log = self.home / "kafka.log"
        self._wanted, self._advertised, self._port = port, advertised, 0
        self._compiler = 1 if short_lived else 4
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self._port}"

    @property
    def process_id(self) -> int:
        """Of the Java that is the broker; KafkaBrokerError before the first start."""
        if self._process is None:
            raise KafkaBrokerError(f"No Kafka was started on {self.home} yet: call start() first.")
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while the broker runs, and before it was started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> Self:
        """Return when the broker answers; the first start prepares the folder. For the main thread only, with which
        the broker ends."""
        if threading.current_thread() is not threading.main_thread():
            raise KafkaBrokerError("Start Kafka from the main thread: it ends with its thread.")
        programs = jars()
        self._claim_home()
        try:
            properties = self._prepare(programs)
            self._launch(programs, properties)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Write everything down and end; to stop twice does no harm."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _claim_home(self) -> None:
        if self._lock is not None:
            if self.exit_code() is None:
                raise KafkaBrokerError(f"This Kafka already runs on {self.home}: stop it before a new start.")
            return
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.home / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise KafkaBrokerError(f"Another Kafka already runs on {self.home}: stop it, or name another.") from None
        self._lock = lock

    def _prepare(self, programs: Path) -> Path:
        """The file of settings; made together with the folder of data, once."""
        properties, data = self.home / "server.properties", self.home / "data"
        (self.home / "log4j2.properties").write_text(LOGGING)
        known = _ports(properties)
        port = self._wanted or known.get("port") or free_port()
        controller = known.get("controller") or free_port(other_than=port)
        advertised = self._advertised or port
        properties.write_text(PROPERTIES.format(port=port, advertised=advertised, controller=controller, data=data))
        self._port = port
        if not (data / "meta.properties").exists():
            shutil.rmtree(data, ignore_errors=True)
            store = _storage_tool(programs, "random-uuid").strip().splitlines()[-1]
            _storage_tool(programs, "format", "--standalone", "-t", store, "-c", str(properties))
        return properties

    def _launch(self, programs: Path, properties: Path) -> None:
        begins = self.log.stat().st_size if self.log.exists() else 0
        words = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", f"-XX:TieredStopAtLevel={self._compiler}"]
        words += [f"-Dlog4j2.configurationFile=file:{self.home / 'log4j2.properties'}"]
        words += ["-cp", f"{programs}/*", "kafka.Kafka", str(properties)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # words of our own
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_this_thread(),  # noqa: PLW1509  # it only asks the kernel for something
            )
        running = self._process
        wait_until(lambda: running.poll() is not None or answers(self.servers), SECONDS_TO_START)
        if running.poll() is not None or not answers(self.servers):
            said = self.log.read_bytes()[begins:].decode(errors="replace").strip().splitlines() or ["it gave no reason"]
            raise KafkaBrokerError(f"Kafka did not start on {self.home} ({said[-1]}): see {self.log}.")


def answers(servers: str) -> bool:
    """Is there a broker that says which requests it understands? Asked without kafka-python, which leaves the socket of
    each attempt that fails to the garbage collector."""
    host, port = servers.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(WHAT_DO_YOU_KNOW)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def jars() -> Path:
    """The folder with Kafka's jars: fetched by Maven once. KafkaBrokerError where there is no Java or Maven."""
    _have("java", "java -version", OLDEST_JAVA)
    with as_file(files("infra.kafka").joinpath("pom.xml")) as pom:
        version = re.findall(r"<version>([\d.]+)</version>", pom.read_text())[0]
        folder = _cache() / f"kafka-{version}"
        if not folder.exists():
            _have("mvn", "mvn --version")
            folder.parent.mkdir(parents=True, exist_ok=True)
            new = folder.with_name(f"{folder.name}.{os.getpid()}")
            _run(
                [
                    "mvn",
                    "-q",
                    "-B",
                    "-f",
                    str(pom),
                    "dependency:copy-dependencies",
                    "-DincludeScope=runtime",
                    f"-DoutputDirectory={new}",
                ],
                otherwise="Maven could not fetch Kafka",
            )
            with contextlib.suppress(OSError):  # somebody else was quicker
                new.rename(folder)
            shutil.rmtree(new, ignore_errors=True)
    return folder


def _have(program: str, asked: str, least: int = 0) -> None:
    """Install the program if we may; otherwise say in one sentence what is missing."""
    if shutil.which(program) is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", *words], env=quiet, check=False, stdout=subprocess.DEVNULL)  # noqa: S603, S607
    needs = "Kafka needs Java 17 or later, and Maven to fetch it"
    if shutil.which(program) is None:
        raise KafkaBrokerError(f"{needs}: install {' and '.join(PACKAGES)}, or set KAFKA_BOOTSTRAP_SERVERS.")
    if least:
        done = subprocess.run(asked.split(), capture_output=True, text=True, check=False)  # noqa: S603
        found = re.search(r'version "(\d+)', done.stderr + done.stdout)
        if found is None or int(found[1]) < least:
            raise KafkaBrokerError(f"{needs}; this machine's {program} is older: install a newer one.")


def _storage_tool(programs: Path, *words: str) -> str:
    return _run(
        ["java", "-cp", f"{programs}/*", "kafka.tools.StorageTool", *words],
        otherwise="Kafka could not prepare its folder",
    )


def _run(words: list[str], *, otherwise: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["it gave no reason"]
        raise KafkaBrokerError(f"{otherwise} ({said[-1]}).")
    return done.stdout


def _ports(properties: Path) -> dict[str, int]:
    """The ports of an earlier start."""
    if not properties.exists():
        return {}
    found = re.search(
        r"^listeners=PLAINTEXT://127.0.0.1:(\d+),CONTROLLER://127.0.0.1:(\d+)$", properties.read_text(), re.MULTILINE
    )
    return {} if found is None else {"port": int(found[1]), "controller": int(found[2])}


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yewu"
