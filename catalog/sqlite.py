"""Opening a SQL database so that its answers hold: durable commits, no connection kept between two uses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool

BUSY_MS = 30_000
"""How long a statement waits for another process's lock."""


def engine(url: str) -> Engine:
    """An engine at a SQLAlchemy URL; what is said of SQLite here, other databases do by themselves.

    Never pooled: a connection whose commit failed may still read its own uncommitted rows.
    """
    opened = create_engine(url, poolclass=NullPool)
    if opened.dialect.name == "sqlite":
        event.listen(opened, "connect", _configure)
    return opened


def _configure(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    # With a rollback journal, an open reader makes a commit fail. Kept in the file: asked for once.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
