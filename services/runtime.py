"""What a process that takes commands and answers questions is made of, put together once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from psycopg_pool import AsyncConnectionPool

from aggregates.event import Event, Recorded
from infra.codec import Codec
from infra.contents import Contents
from infra.dispatcher import Dispatcher
from infra.event_store import Writer
from infra.fact_reader import FactReader, RowFact
from infra.log_reader import LogReader
from infra.read_model.engine import ReadModel
from infra.reading import ReadModelReader
from infra.readings import ReadingRecorder
from infra.reference_data import ReferenceKeeper
from infra.refusals import RefusalRecorder
from infra.sealing import Sealer
from infra.states import States
from services.composition import FACTS, read_model

if TYPE_CHECKING:
    from infra.tracing import Tracing


class Runtime:
    """The machinery of one process around one log, and around the keys of its texts; `tracing` has other writers and
    dispatchers, which leave spans."""

    def __init__(
        self,
        conninfo: str,
        zone: ZoneInfo,
        sealer: Sealer,
        *,
        pool_size: int = 8,
        tracing: Tracing | None = None,
        contents: Contents | None = None,
    ) -> None:
        self.conninfo, self.zone, self.sealer, self.contents = conninfo, zone, sealer, contents
        self.codec = Codec(Event.known.values(), seals=sealer.seals)
        self.model: ReadModel = read_model(self.codec)
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            conninfo,
            min_size=2,
            max_size=pool_size,
            open=False,
            timeout=5,
            kwargs={"application_name": "yewu-api", "connect_timeout": 5},
        )
        self.reader = LogReader(self.pool)
        self.reference = ReferenceKeeper(self.pool, self.codec)
        writer, dispatcher = (Writer, Dispatcher) if tracing is None else (tracing.writer, tracing.dispatcher)
        self.following: Callable[[Recorded[Any]], AbstractContextManager[object]] = (
            nullcontext if tracing is None else tracing.following
        )
        """Around whatever follows from an event."""
        self.writer = writer(conninfo, wrote=self.reference.wrote)
        self.rows = ReadModelReader(self.pool, self.model.schema)
        self.states = States(self.reader, self.codec)
        self.facts = FactReader(self.rows, [RowFact(fact) for fact in FACTS], contents)
        self.dispatcher = dispatcher(
            self.writer, self.reader, self.states, self.reference, self.facts, self.codec, sealer, zone, contents
        )
        self.refusals = RefusalRecorder(self.writer, self.codec, sealer, zone)
        self.readings = ReadingRecorder(self.writer, self.codec, zone)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Runtime]:
        """Everything started in order, and stopped in the opposite one."""
        async with AsyncExitStack() as stack:
            if self.contents is not None:
                self.contents.sweep()
            await self.sealer.start()
            stack.push_async_callback(self.sealer.stop)
            await self.pool.open()
            stack.push_async_callback(self.pool.close)
            await self.reference.start()
            stack.push_async_callback(self.reference.stop)
            await self.writer.start()
            stack.push_async_callback(self.writer.stop)
            self.refusals.start()
            stack.push_async_callback(self.refusals.stop)
            self.readings.start()
            stack.push_async_callback(self.readings.stop)
            yield self
