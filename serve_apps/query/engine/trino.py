"""Trino over TLS, one of its users for each role: the query is guarded here, its rights are kept there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from catalog.clock import Clock
from catalog.errors import BadInput, TooLarge, TooSlow, Unavailable
from serve_apps.query.engine.arrow import arrow
from serve_apps.query.engine.pool import Pool
from serve_apps.query.engine.port import Answer, Gone, Limits, Role, Value, never
from serve_apps.query.engine.statement import Statement, connection
from serve_apps.query.engine.wire import Ask, Setup, Told, unfailed
from serve_apps.query.views import sources

CHILD = "serve_apps.query.engine.guarding"
MEMORY_BYTES = 256 << 20
AS_OF = "SELECT table_name, as_of_seq FROM served.as_of"
FIRST = "structured.events"
"""What a query that reads nothing is as of."""


class Address(msgspec.Struct, frozen=True):
    """Where Trino is and who one is there. Its text form holds no password."""

    host: str
    port: int
    certificate: str
    """Path of the PEM file that proves the server."""
    passwords: Mapping[str, str]
    """User to password; the users of the roles are called as the roles are."""

    def __repr__(self) -> str:
        return f"Address({self.host!r}, {self.port})"


class Trino:
    """See `QueryEngine`. Nothing is kept between two queries, so that a server that comes back is used at once."""

    def __init__(self, address: Address, clock: Clock, processes: int = 2, wait_s: float = 5.0) -> None:
        """`processes` read queries before the server does; more at once wait `wait_s`, or are Busy."""
        self._address, self._clock = address, clock
        self._pool = Pool(CHILD, Setup("", MEMORY_BYTES, []), clock, processes, wait_s)

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        """See `QueryEngine`. `as_of_seq` is read first: commits after it may be in the rows too."""
        until_s = self._clock.elapsed_s() + limits.seconds
        with self._pool.one() as process:
            guarded = unfailed(process.ask(Ask([], sql, list(params), role, *limits)))
        seqs = dict(self._run(AS_OF, (), role, limits, until_s, gone).to_pandas_free())
        raise NotImplementedError
