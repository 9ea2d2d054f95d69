"""One caller's connection to Trino: every request of it knows how long it may still take."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import msgspec
import requests
from trino import exceptions
from trino.auth import BasicAuthentication
from trino.dbapi import Connection, Cursor, connect
from urllib3.exceptions import HTTPError

from catalog.clock import Clock
from catalog.errors import BadInput, BeejanError, Busy, TooLarge, TooSlow, Unavailable
from serve_apps.query.engine.port import Gone, gone_away, past_calendar

CATALOG = "lake"
CONNECT_S = 1.5
"""For the connection and its TLS together: a server that hangs is noticed here."""
READ_S = 5.0
"""The server answers within a second, even where there is nothing new to say."""
ENCODED = 3
"""An answer is at most so many times as large on the wire as in memory: numbers are text there."""
LEAST_BYTES = 1 << 20

SLOW = frozenset(("EXCEEDED_TIME_LIMIT", "EXCEEDED_CPU_LIMIT"))
LARGE = frozenset(
    (
        *("EXCEEDED_LOCAL_MEMORY_LIMIT", "EXCEEDED_GLOBAL_MEMORY_LIMIT", "EXCEEDED_FUNCTION_MEMORY_LIMIT"),
        *("CLUSTER_OUT_OF_MEMORY", "EXCEEDED_SCAN_LIMIT", "QUERY_HAS_TOO_MANY_STAGES"),
        *("QUERY_TEXT_TOO_LARGE", "COMPILER_ERROR", "STACK_OVERFLOW", "OPTIMIZER_TIMEOUT"),
    )
)
ON_A_VALUE = frozenset(
    (
        *("DIVISION_BY_ZERO", "INVALID_CAST_ARGUMENT", "INVALID_FUNCTION_ARGUMENT", "INVALID_LITERAL"),
        *("NUMERIC_VALUE_OUT_OF_RANGE", "SUBQUERY_MULTIPLE_ROWS", "INVALID_ARGUMENTS"),
    )
)
OURS = frozenset(
    ("INVALID_VIEW", "VIEW_IS_STALE", "CATALOG_NOT_FOUND", "SCHEMA_NOT_FOUND", "TABLE_NOT_FOUND")
)
"""Trino calls them the user's, but a query that came through the guard names served views only: those are not
made, or cannot be read since the lake's catalog or store is away."""


class Address(msgspec.Struct, frozen=True):
    """Where Trino is, and who one is there. Its text form holds no password."""

    host: str
    port: int
    certificate: str
    """Path of the PEM file that proves the server."""
    passwords: dict[str, str]
    """User to password; the users of the roles are called as the roles are."""

    def __repr__(self) -> str:
        return f"Address({self.host!r}, {self.port})"


class Watched(requests.Session):
    """Requests that end at a time on the clock or once the caller has gone, and answers of a limited size."""

    def __init__(self, clock: Clock, seconds: float, most_bytes: int, gone: Gone) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, no other certificates than ours
        self._clock, self._gone, self._most_bytes = clock, gone, most_bytes
        self._seconds, self._until_s = seconds, clock.elapsed_s() + seconds

    def left_s(self) -> float:
        """Raises TooSlow at the end, Unavailable where nobody waits any more."""
        if self._gone():
            raise gone_away()
        left_s = self._until_s - self._clock.elapsed_s()
        if left_s <= 0:
            raise TooSlow("the query takes too long", hint="read fewer rows", seconds=int(self._seconds))
        return left_s

    def send(self, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        """Also raises TooLarge for an answer beyond the size. Ending a query is always allowed."""
        left_s = READ_S if request.method == "DELETE" else self.left_s()
        given |= {"timeout": (CONNECT_S, min(READ_S, left_s)), "stream": True}
        try:
            response = super().send(request, **given)
            body = response.raw.read(self._most_bytes + 1, decode_content=True)
        except requests.Timeout:
            self.left_s()
            raise
        except HTTPError as error:  # while the body was read
            self.left_s()
            raise requests.ConnectionError(type(error).__name__) from None
        if len(body) > self._most_bytes:
            raise TooLarge("the answer is too large", hint="ask for fewer rows or columns")
        response._content = body
        return response


def opened(address: Address, user: str, session: Watched) -> Connection:
    """A connection as one of Trino's users; nothing is sent before the first statement."""
    session.verify = address.certificate
    made = connect(  # type: ignore[no-untyped-call]
        host=address.host,
        port=address.port,
        user=user,
        source="beejan",
        catalog=CATALOG,
        http_scheme="https",
        auth=BasicAuthentication(user, address.passwords[user]),
        http_session=session,
        session_properties={"query_max_run_time": f"{max(1, int(session.left_s() * 1000))}ms"},
        max_attempts=1,
        legacy_prepared_statements=False,
        timezone="UTC",
        encoding=None,
    )
    return cast(Connection, made)


def end(cursor: Cursor) -> None:
    """Let the server forget a statement whose answer nobody wants; nothing is raised."""
    with suppress(exceptions.Error, exceptions.HttpError, requests.RequestException, BeejanError, KeyError):
        cursor.cancel()  # type: ignore[no-untyped-call]


def started(connection: Connection, sql: str, params: Sequence[Any]) -> Cursor:
    """A statement under way. Raises as `meant` says."""
    cursor: Cursor = connection.cursor()
    try:
        cursor.execute(sql, list(params) or None)  # type: ignore[no-untyped-call]
    except BaseException:
        end(cursor)
        raise
    return cursor


def meant(error: Exception) -> BeejanError:
    """What the caller can be told of a failure: the server's own words may quote values from rows."""
    if isinstance(error, BeejanError):
        return error
    if isinstance(error, exceptions.TrinoDataError):
        return past_calendar()
    name = error.error_name if isinstance(error, exceptions.TrinoQueryError) else None
    if name is None:
        kind = type(error).__name__
        return Unavailable("the SQL server does not answer", hint="wait and ask again", kind=kind)
    if name in SLOW:
        return TooSlow("the query takes too long", hint="read fewer rows")
    if name in LARGE:
        return TooLarge("the query needs more memory than it may", hint="read fewer rows at once", kind=name)
    if name == "QUERY_QUEUE_FULL":
        return Busy("the SQL server has too many queries", hint="wait a moment and ask again")
    if name in ON_A_VALUE:
        return BadInput("the query failed on a value", hint="TRY_CAST gives null instead", kind=name)
    if name in OURS:
        return Unavailable("the views cannot be read", hint="wait and ask again", kind=name)
    if isinstance(error, exceptions.TrinoUserError) and name not in ("USER_CANCELED", "ABANDONED_QUERY"):
        return BadInput("the query does not fit the views", hint=name.lower().replace("_", " "))
    return Unavailable("the SQL server gave up the query", hint="wait and ask again", kind=name)
