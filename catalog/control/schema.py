"""Tables of the control database, and how it is opened. The statements run on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from catalog import sql
from catalog.errors import Stopped, Unavailable, WrongVersion

REVISION = "0003"
"""The newest revision in `migrations/`: what the tables below are."""
FIRST = "0001"
VERSIONED = "alembic_version"
UNVERSIONED = "schema_version"
"""Where the first version, which had no migrations, kept its number."""

metadata = MetaData()

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

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("beat_at", DateTime(timezone=True), nullable=False),
)

original_reads = Table(
    "original_reads",
    metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("read_us", BigInteger, nullable=False),
)


def open_control(url: str) -> Engine:
    """Open the control database at a SQLAlchemy URL; an empty one gets its tables.

    Raises WrongVersion when another version of the product wrote it, Unavailable when it does not answer.
    """
    engine = sql.engine(url)
    with transaction(engine) as connection:
        found = revision(connection)
    if found is None:
        from catalog.control.migrate import migrate  # only the first opening of all needs it

        found = migrate(engine).after
    if found != REVISION:
        raise wrong_version(found)
    return engine


def revision(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if inspect(connection).has_table(VERSIONED):
        found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSIONED}"))
        return found
    if is_unversioned(connection):
        number = connection.scalar(text(f"SELECT version FROM {UNVERSIONED}"))
        return FIRST if number in (1, None) else f"version {number}"
    return None


def is_unversioned(connection: Connection) -> bool:
    """Whether the first version made the tables, and no migration has seen them since."""
    return inspect(connection).has_table(UNVERSIONED)


def wrong_version(found: str) -> WrongVersion:
    """The error for tables of a revision that is not ours."""
    is_older = found.isdigit() and found < REVISION
    hint = "end what runs on it, then run `beejan migrate`" if is_older else "use the version that wrote it"
    return WrongVersion("control database of another version", hint=hint, found=found, known=REVISION)


def unavailable(error: DBAPIError) -> Unavailable | Stopped:
    """What a failing control database means."""
    return sql.failed(error, "the control database")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction. Raises IntegrityError as it is, Unavailable and Stopped for what else fails: a change
    may have happened then, so every caller reads before it repeats."""
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise unavailable(error) from None


def sqlite_url(path: Path) -> str:
    """The URL of a control database kept in one file."""
    return f"sqlite:///{path}"
