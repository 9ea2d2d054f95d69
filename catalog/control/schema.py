"""Tables of the control database, and how it is opened. The statements run on SQLite and PostgreSQL."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.schema import CreateTable

from catalog import sqlite
from catalog.errors import Stopped, Unavailable, WrongVersion

VERSION = 1

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

plans = Table(
    "plans",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("received", Text, nullable=False),
    Column("chain", Text, nullable=False),
)

ranges = Table(
    "ranges",
    metadata,
    Column("n", BigInteger, ForeignKey("plans.n"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("segment", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stop", BigInteger, nullable=False),
    Column("frames", BigInteger, nullable=False),
    PrimaryKeyConstraint("n", "position"),
)

segments = Table(
    "segments",
    metadata,
    Column("name", Text, primary_key=True),
    Column("planned_to", BigInteger, nullable=False),
    Column("last_plan", BigInteger, nullable=False),
    Column("published_us", BigInteger),
)

amendments = Table(
    "amendments",
    metadata,
    Column("segment", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("segment", "offset"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("channels", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
)


def open_control(url: str) -> Engine:
    """Open the control database at a SQLAlchemy URL, creating its tables on first use.

    Raises WrongVersion when another version of the product wrote it, Unavailable when it does not answer.
    """
    engine = sqlite.engine(url)
    try:
        found = _version(engine)
    except DBAPIError as error:
        raise unavailable(error) from None
    if found != VERSION:
        raise WrongVersion(
            "control database of another version", hint="use the version that wrote it", found=found
        )
    return engine


def unavailable(error: DBAPIError) -> Unavailable | Stopped:
    """What a failing database means: the driver's words, without the statement and its values."""
    cause = str(error.orig) if error.orig is not None else type(error).__name__
    if not isinstance(error, OperationalError):
        return Stopped("the control database cannot be read", hint="restore it from a backup", cause=cause)
    return Unavailable("the control database does not answer", hint="check its disk", cause=cause)


def _version(engine: Engine) -> int:
    """The version of the tables, made where they are missing."""
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            # One statement that looks and creates: several processes may open the same new home at once.
            connection.execute(CreateTable(table, if_not_exists=True))
        found = connection.scalar(select(schema_version.c.version))
    if found is not None:
        return int(found)
    # Another process may be opening the same new home: the key lets one of both in.
    with suppress(IntegrityError), engine.begin() as connection:
        connection.execute(insert(schema_version).values(version=VERSION))
    return VERSION


def sqlite_url(path: Path) -> str:
    """The URL of a control database kept in one file."""
    return f"sqlite:///{path}"
