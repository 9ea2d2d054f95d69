"""The served views on the SQL server: made as their contract says, and held to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from catalog.clock import Clock
from serve_apps.query.access import OWNER
from serve_apps.query.engine.connection import Address, Watched, meant, opened
from serve_apps.query.engine.port import Limits, QueryEngine, never
from serve_apps.query.engine.trino import FAILURES, rows
from serve_apps.query.guard import SERVED
from serve_apps.query.roles import grants
from serve_apps.query.views import View, type_name, views

SECONDS = 60.0
ANSWER_BYTES = 16 << 20
WITHIN = Limits(seconds=SECONDS)
SEES_ALL = "compliance"


class Drift(NamedTuple):
    """Where a view is not as its contract says."""

    view: str
    column: str
    promised: str
    found: str


def apply(address: Address, clock: Clock, location: str, wanted: Iterable[View]) -> None:
    """Make or replace views as their owner, and a schema of them at `location` if there is none; repeatable.

    The lake's tables must be there. Raises Unavailable.
    """
    with Watched(clock, SECONDS, ANSWER_BYTES, never) as session:
        try:
            connection = opened(address, OWNER, session)
            rows(connection, f"CREATE SCHEMA IF NOT EXISTS {SERVED} WITH (location = '{location}')")
            for view in wanted:
                said = f"{view.meaning} ({view.name}/{view.version}, {view.owner})".replace("'", "''")
                made = f"CREATE OR REPLACE VIEW {SERVED}.{view.name} COMMENT '{said}' SECURITY DEFINER"
                rows(connection, f"{made} AS {view.sql}")
        except FAILURES as error:
            raise meant(error) from None


def check(engine: QueryEngine) -> list[Drift]:
    """Where the views in force differ from what the engine returns to the role that sees all of them."""
    return [drift for view in views().values() for drift in _drift(engine, view)]


def _drift(engine: QueryEngine, view: View) -> Iterator[Drift]:
    shown = engine.query(f"SELECT * FROM {view.name}", (), SEES_ALL, WITHIN._replace(rows=1)).table.schema
    promised = {column.name: column for column in grants()[SEES_ALL].columns(view)}
    found = {field.name: type_name(field.type) for field in shown}
    for name in dict.fromkeys((*promised, *found)):
        kind = promised[name].type if name in promised else "no such column"
        if found.get(name, "no such column") != kind:
            yield Drift(view.name, name, kind, found.get(name, "no such column"))
    if list(found) == list(promised):
        yield from _nulls(engine, view)
    elif found.keys() == promised.keys():
        yield Drift(view.name, "", ", ".join(promised), ", ".join(found))


def _nulls(engine: QueryEngine, view: View) -> Iterator[Drift]:
    never_null = [column.name for column in view.columns if not column.is_nullable]
    counts = ", ".join(f"count(*) - count({name}) AS {name}" for name in never_null)
    answer = engine.query(f"SELECT {counts} FROM {view.name}", (), SEES_ALL, WITHIN).table
    nulls: dict[str, Any] = answer.to_pylist()[0]
    for name, count in nulls.items():
        if count:
            yield Drift(view.name, name, "never null", f"{count} nulls")
