"""The served views on the SQL server, made as their contract says."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.clock import Clock
from serve_apps.query.access import OWNER
from serve_apps.query.engine.connection import Address, Watched, meant, opened
from serve_apps.query.engine.port import never
from serve_apps.query.engine.trino import FAILURES, rows
from serve_apps.query.guard import SERVED
from serve_apps.query.views import View

SECONDS = 60.0
ANSWER_BYTES = 16 << 20
DEFINING = "defining"
"""The schema of what the served views are made of: its owner's alone."""


def apply(address: Address, clock: Clock, location: str, wanted: Iterable[View]) -> None:
    """Make or replace views as their owner, and the schemas of them at `location` if there are none;
    repeatable.

    A served view only names the columns of the view that defines it: those who may ask a view are shown its
    text in the information schema, whatever the rules say, and nothing of the other schema.

    The lake's tables must be there. Raises Unavailable.
    """
    with Watched(clock, SECONDS, ANSWER_BYTES, never) as session:
        try:
            connection = opened(address, OWNER, session)
            for schema in (SERVED, DEFINING):
                place = f"{location}/{schema}"
                rows(connection, f"CREATE SCHEMA IF NOT EXISTS {schema} WITH (location = '{place}')")
            for view in wanted:
                columns = ", ".join(column.name for column in view.columns)
                shown = f"SELECT {columns} FROM {DEFINING}.{view.name}"
                rows(connection, _made(DEFINING, view, view.sql))
                rows(connection, _made(SERVED, view, shown))
        except FAILURES as error:
            raise meant(error) from None


def _made(schema: str, view: View, sql: str) -> str:
    said = f"{view.meaning} ({view.name}/{view.version}, {view.owner})".replace("'", "''")
    return f"CREATE OR REPLACE VIEW {schema}.{view.name} COMMENT '{said}' SECURITY DEFINER AS {sql}"
