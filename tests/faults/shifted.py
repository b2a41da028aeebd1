"""`python -m tests.faults.shifted SECONDS command`: a process of Yewu whose clock is wrong by so much."""

from __future__ import annotations

import importlib
import sys
import time
from datetime import datetime, timedelta, tzinfo

READ_THE_CLOCK = ("infra.dispatcher", "infra.refusals", "infra.readings", "infra.read_model.selection", "jwt.api_jwt")
READ_IT_TOO = ("services.http.development_issuer", "services.policies.clock")


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def shift(seconds: float) -> None:
    """From now on everybody in this process who asks for the time is told another."""
    true_time, by = time.time, timedelta(seconds=seconds)

    class Shifted(datetime, metaclass=_AnyDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one
            return datetime.now(tz) + by

    time.time = lambda: true_time() + seconds
    for name in (*READ_THE_CLOCK, *READ_IT_TOO):
        module = importlib.import_module(name)
        if hasattr(module, "datetime"):
            module.datetime = Shifted  # type: ignore[attr-defined]  # found just now


if __name__ == "__main__":
    shift(float(sys.argv.pop(1)))
    from services.cli import main

    main()
