"""What tests around Kafka share: no connection outlives its test."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import KafkaError

from infra.kafka.client import Publisher


@pytest.fixture(autouse=True, scope="module")
def closed_publishers() -> Iterator[None]:
    """A relay ends with its process, and so do its connections; here the process goes on."""
    made: list[Publisher] = []
    begin = Publisher.__init__

    def remembering(self: Publisher, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        made.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Publisher, "__init__", remembering)
        yield
        for publisher in made:
            with contextlib.suppress(KafkaError):  # whatever was left of a transaction cannot be sent any more
                publisher._producer.close(timeout=1)
            publisher._producer._sender.force_close()
        made.clear()
        with warnings.catch_warnings():  # kafka-python leaves sockets of failed attempts to the garbage collector
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
