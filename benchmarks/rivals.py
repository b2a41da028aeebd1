"""Two rivals over HTTP: an endpoint that does nothing but validate, and the stock library as its users serve it.

`python -m benchmarks.rivals empty PORT` or `python -m benchmarks.rivals stock PORT`, the latter with DATABASE_URL.
"""

from __future__ import annotations

import os
import sys
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from benchmarks.sample import ANNA
from benchmarks.stock import StockComplaints, environment

EMPTY, STOCK = "empty", "stock"


class Received(BaseModel):
    """The body of a received complaint, as FastAPI validates it."""

    model_config = ConfigDict(extra="forbid")

    customer_id: str
    channel: str
    facts: str | None = None
    remedy_sought: str | None = None
    about: str | None = None


class Done(BaseModel):
    """What our own endpoint answers."""

    id: str
    version: int
    position: int | None
    events: list[str]
    repeated: bool = False


def empty() -> FastAPI:
    """Validate, and answer at once."""
    app = FastAPI()

    @app.post("/complaints", status_code=201)
    async def receive(complaint: Received) -> Done:
        return Done(id=complaint.customer_id, version=1, position=1, events=["ComplaintReceived"])

    return app


def stock() -> FastAPI:
    """Save a new aggregate, in a thread, as the library is not asynchronous."""
    app = FastAPI()
    application = StockComplaints(environment(os.environ["DATABASE_URL"]))

    @app.post("/complaints", status_code=201)
    def receive(complaint: Received) -> Done:
        complaint_id: UUID = application.receive(
            complaint.customer_id,
            complaint.channel,
            complaint.facts or "",
            complaint.remedy_sought or "",
            complaint.about or "",
            ANNA,
        )
        return Done(id=str(complaint_id), version=1, position=1, events=["ComplaintReceived"])

    return app


if __name__ == "__main__":
    name, port = sys.argv[1:]
    uvicorn.run({EMPTY: empty, STOCK: stock}[name](), port=int(port), access_log=False, log_config=None)
