"""Trino over TLS, one of its users for each role: the query is guarded here, its rights are kept there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa
import requests
from trino import exceptions
from trino.dbapi import Connection

from catalog.clock import Clock
from catalog.errors import BeejanError, TooSlow, Unavailable
from serve_apps.query.engine.arrow import batch, schema, within
from serve_apps.query.engine.connection import (
    ENCODED,
    LEAST_BYTES,
    Address,
    Watched,
    end,
    meant,
    opened,
    started,
)
from serve_apps.query.engine.pool import Pool
from serve_apps.query.engine.port import Answer, Gone, Limits, Role, Value, never
from serve_apps.query.engine.wire import Ask, Setup, Told, unfailed
from serve_apps.query.views import sources

CHILD = "serve_apps.query.engine.guarding"
GUARD_BYTES = 256 << 20
BATCH_ROWS = 2_048
AS_OF = "SELECT table_name, as_of_seq FROM served.as_of WHERE table_name IN ({tables})"
"""Only of the tables that are read: to work out the others costs the server half as much again."""
WARM = "SELECT event_id FROM events LIMIT 1"
WARM_S = 120.0
STARTING = "SERVER_STARTING_UP"
FAILURES = (exceptions.Error, exceptions.HttpError, requests.RequestException, ValueError, KeyError)
"""Of the client; the last two for an answer that is none of the server's."""


class Trino:
    """See `QueryEngine`. No connection is kept, so that a server that comes back is used at once."""

    def __init__(self, address: Address, clock: Clock, processes: int = 2, wait_s: float = 5.0) -> None:
        """`processes` read the queries; more at once wait `wait_s`, or are Busy."""
        self._address, self._clock = address, clock
        self._is_warm = False
        """Whether the server answered since it could not be reached: one that just started compiles first."""
        self._pool = Pool(CHILD, Setup("", GUARD_BYTES, []), clock, processes, wait_s)

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        """See `QueryEngine`. `as_of_seq` is read first: rows of a commit since then may be there too.

        What is too slow for a server that is not warm is Unavailable: the query may be a fast one.
        """
        with self._pool.one(gone) as process:
            told = unfailed(process.ask(Ask([], sql, list(params), role, *limits), gone))
        most_bytes = max(LEAST_BYTES, ENCODED * limits.bytes)
        tables = sources(told.views)
        as_of = AS_OF.format(tables=", ".join(f"'{name}'" for name in sorted(tables)))
        with Watched(self._clock, limits.seconds, most_bytes, gone) as session:
            try:
                connection = opened(self._address, role, session)
                seqs = dict(rows(connection, as_of))
                table = _table(connection, told, limits.bytes)
            except (BeejanError, *FAILURES) as error:
                raise self._failed(error) from None
        self._is_warm = True
        as_of_seq = min(seqs[name] for name in tables)
        return Answer(table.slice(0, limits.rows), as_of_seq, table.num_rows > limits.rows)

    def warm(self) -> None:
        """See `QueryEngine`: a server that just started takes long over its first answer."""
        with suppress(BeejanError):
            self.query(WARM, (), "operations", Limits(rows=1, seconds=WARM_S))

    def _failed(self, error: Exception) -> BeejanError:
        answered = isinstance(error, exceptions.TrinoQueryError) and error.error_name != STARTING
        if not answered and not isinstance(error, BeejanError):
            self._is_warm = False
        found = meant(error)
        if isinstance(found, TooSlow) and not self._is_warm:
            return Unavailable("the SQL server is still warming up", hint="ask again")
        return found

    def close(self) -> None:
        """See `QueryEngine`; waits for queries that are being read, and may be called again."""
        self._pool.close()


def rows(connection: Connection, sql: str) -> list[list[Any]]:
    """All rows of a statement of ours. Raises what the client raises."""
    return list(started(connection, sql, ()).fetchall())


def _table(connection: Connection, told: Told, most_bytes: int) -> pa.Table:
    cursor = started(connection, told.sql, [_exact(value) for value in told.params])
    try:
        shape = schema([(each.name, str(each.type_code)) for each in cursor.description])
        fetched = iter(lambda: cursor.fetchmany(BATCH_ROWS), [])
        return within(most_bytes, (batch(some, shape) for some in fetched), shape)
    except BaseException:
        end(cursor)
        raise


def _exact(value: Value) -> Value | Decimal:
    """A fraction as the digits that were given, which is what it means in the text of a query."""
    return Decimal(repr(value)) if isinstance(value, float) and "e" not in repr(value) else value
