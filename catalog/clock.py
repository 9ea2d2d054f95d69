"""Time as an argument: nothing below the wiring asks the machine what time it is."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000


class Clock(Protocol):
    """Where code gets its time from."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC; may go backwards. Orders only frames of different segments."""
        ...

    def elapsed_s(self) -> float:
        """Seconds on a clock that never goes backwards; its zero means nothing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def elapsed_s(self) -> float:
        # Goes on while the machine sleeps: some promises hold for so long and no longer.
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def to_datetime(us: int) -> datetime:
    """Microseconds since 1970 as an aware UTC datetime."""
    return EPOCH + timedelta(microseconds=us)


def to_us(instant: datetime) -> int:
    """An aware datetime as microseconds since 1970."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def utc_date(us: int) -> date:
    """The UTC calendar date of an instant in microseconds since 1970."""
    return to_datetime(us).date()
