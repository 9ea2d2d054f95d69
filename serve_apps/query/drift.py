"""Where the views are not as their contract says, by what an engine really returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from serve_apps.query.engine.port import Limits, QueryEngine, Role
from serve_apps.query.views import View, type_name, views

WITHIN = Limits(seconds=60.0)
SEES_ALL: Role = "compliance"


class Drift(NamedTuple):
    """Where a view is not as its contract says."""

    view: str
    column: str
    promised: str
    found: str


def check(engine: QueryEngine) -> list[Drift]:
    """Where the views in force differ from what the engine returns to the role that sees all of them."""
    return [drift for view in views().values() for drift in _drift(engine, view)]


def _drift(engine: QueryEngine, view: View) -> Iterator[Drift]:
    shown = engine.query(f"SELECT * FROM {view.name}", (), SEES_ALL, WITHIN._replace(rows=1)).table.schema
    promised = {column.name: column for column in view.columns}
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
