"""Opening a SQL database so that its answers hold: durable commits, no connection kept between two uses.

A process stopped in the middle of a transaction keeps its locks: SQLite's are freed with the process, so
whoever takes over ends it; PostgreSQL ends the transaction itself, after the bounds set here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from catalog.errors import BadInput, Stopped, Unavailable

BUSY_MS = 30_000
"""How long a statement waits for another process's lock."""
SESSION_MS = {
    "statement_timeout": 20_000,
    "lock_timeout": 10_000,
    "idle_in_transaction_session_timeout": 10_000,
}
"""PostgreSQL's bounds. Every transaction of ours is a few statements of milliseconds."""
_SOCKET = {
    "connect_timeout": 5,
    # A server that is gone without a word is noticed, by an idle connection and by one that sends.
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
READ_ONLY = "25006"
"""PostgreSQL's answer to a write where another server is, or is about to be, the one that takes them."""
_ONE_AT_A_TIME = 0x6265656A616E
"""PostgreSQL's advisory lock of `exclusive`; any number of our own."""


def engine(url: str) -> Engine:
    """An engine at the SQLAlchemy URL of a SQLite or PostgreSQL database. Connects to nothing yet.

    Never pooled: a connection whose commit failed may still read its own uncommitted rows. Raises BadInput
    for what is no such URL.
    """
    is_postgresql = url.startswith("postgresql+psycopg://")
    if not is_postgresql and not url.startswith("sqlite:"):
        raise BadInput("not the URL of a database", hint="sqlite:///… or postgresql+psycopg://…")
    if is_postgresql:
        bounds = " ".join(f"-c {name}={ms}" for name, ms in SESSION_MS.items())
        # What was answered must survive a power cut, whatever the server's own default is.
        given = _SOCKET | {"options": f"{bounds} -c synchronous_commit=on"}
    try:
        opened = create_engine(url, poolclass=NullPool, connect_args=given if is_postgresql else {})
    except (ArgumentError, ValueError):
        raise BadInput("the URL of a database cannot be read", hint="check its parts") from None
    if not is_postgresql:
        event.listen(opened, "connect", _configure)
    return opened


@contextmanager
def exclusive(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that only one process at a time can be in; it may change tables, too,
    all or nothing. Others wait as long as for any lock."""
    if engine.dialect.name == "sqlite":
        # The driver would begin only before the first row is written, and leave out what makes tables.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:  # whatever ends it, nothing half done stays
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
    else:
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
            yield connection


def failed(error: DBAPIError, what: str) -> Unavailable | Stopped:
    """What a failing database means, `what` being its name. In the driver's words where they are about the
    connection: never with the statement, its values or the URL's password."""
    state = getattr(error.orig, "sqlstate", None) or ""
    passes = error.connection_invalidated or state == READ_ONLY
    if passes or isinstance(error, OperationalError | InterfaceError):
        cause = str(error.orig).strip().partition("\n")[0]
        return Unavailable(f"{what} does not answer", hint="check its server or disk", cause=cause)
    cause = f"{type(error.orig).__name__} {state}".strip()
    return Stopped(f"{what} cannot be read", hint="restore it from a backup", cause=cause)


def _configure(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    # With a rollback journal, an open reader makes a commit fail. Kept in the file: asked for once.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
