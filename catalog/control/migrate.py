"""Moving the control database from revision to revision, as the files beside this one say."""

from __future__ import annotations

from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from catalog import sql
from catalog.control import schema
from catalog.errors import BadInput


class Migrated(NamedTuple):
    """The revisions before and after; before is None where the database was empty."""

    before: str | None
    after: str


def migrate(engine: Engine, to: str | None = None) -> Migrated:
    """Move the database up or down to a revision, to the newest when None: all of the way or nothing.

    Raises BadInput for a revision there is not, WrongVersion for a database of a newer version, Unavailable.
    """
    try:
        with sql.exclusive(engine) as connection:
            return _migrate(connection, to)
    except DBAPIError as error:
        raise schema.unavailable(error) from None


def revisions() -> list[str]:
    """Every revision, oldest first."""
    walked = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return [script.revision for script in walked][::-1]


def _migrate(connection: Connection, to: str | None) -> Migrated:
    known, before = revisions(), schema.revision(connection)
    wanted = known[-1] if to is None else to
    if wanted not in known:
        raise BadInput("no such revision", hint="one of " + ", ".join(known), revision=wanted)
    if before is not None and before not in known:
        raise schema.wrong_version(before)
    config = _config(connection)
    if schema.is_unversioned(connection):
        # The first version counted in a table of its own.
        command.stamp(config, known[0])
        connection.execute(text(f"DROP TABLE {schema.UNVERSIONED}"))
    if before is None or known.index(before) < known.index(wanted):
        command.upgrade(config, wanted)
    elif before != wanted:
        command.downgrade(config, wanted)
    return Migrated(before, wanted)


def _config(connection: Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "catalog.control:migrations")
    config.set_main_option("path_separator", "os")
    return config
