"""Who read which event as it was received: a line each, durable before the answer, and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Engine, insert, select

from catalog.clock import Clock
from catalog.control import schema
from catalog.control.schema import transaction


class OriginalRead(NamedTuple):
    """One read; `read_us` is microseconds since 1970, UTC."""

    key_id: str
    event_id: str
    read_us: int


class OriginalReads:
    """The audit log in the control database. Every method raises Unavailable when it does not answer."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def add(self, key_id: str, event_id: str) -> None:
        """Once this comes back the read is on disk."""
        row = OriginalRead(key_id, event_id, self._clock.now_us())
        with transaction(self._engine) as connection:
            connection.execute(insert(schema.original_reads).values(row._asdict()))

    def list(self, most: int) -> Sequence[OriginalRead]:
        """The newest reads, newest first."""
        table = schema.original_reads
        newest = (
            select(*(table.c[name] for name in OriginalRead._fields)).order_by(table.c.n.desc()).limit(most)
        )
        with transaction(self._engine) as connection:
            return [OriginalRead(*row) for row in connection.execute(newest)]
