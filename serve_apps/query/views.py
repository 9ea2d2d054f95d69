"""The served views: what may be asked about, column by column, written once in Trino's dialect.

`views/<name>/<version>.sql` is one version of a view. Its head says what the view is, who owns it and which
columns are never null; every column is a cast with a name, so that the file is the contract. A version that
was served is not edited: a change is a new file, and the newest is in force.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import NamedTuple

import pyarrow as pa
import sqlglot
from sqlglot import exp

from catalog.errors import BadInput
from catalog.tables import EVENTS, TABLES

_MEANINGS = {
    "redacted_text": "the text, its identifiers replaced by what kind they were",
    "log_segment": "file of the log that its bytes came in; nothing about the customer",
    "log_offset": "where in that file its bytes begin",
    "segment_offset": "as log_offset, in older versions of the view",
    "first_event_time": "event_time of the earliest member",
    "last_event_time": "event_time of the latest member",
    "members": "complaints in the cluster",
    "customers": "different known customers among them",
    "representative": "event_id of the first of them, by plan",
    "representative_text": "redacted text of the representative",
    "complaints": "events that count as complaints (`is_counted` in the view `complaints`): accepted, and "
    "complaining of something; a duplicate of one is not counted",
    "is_counted": "whether it counts as a complaint: accepted, and complaining of something",
    "clusters": "different grievances among them: members of one cluster count once",
    "quarantined": "events held back",
    "is_provisional": "more may come: it is the newest day received, or the one before",
    "table_name": "name of the table",
    "as_of_seq": "every plan up to this one is in what the row was read from",
}


class ViewColumn(NamedTuple):
    """A column of a view; `type` is Trino's name for it."""

    name: str
    type: str
    meaning: str
    is_nullable: bool


class View(NamedTuple):
    """One version of a view: `sql` in Trino's dialect, over the lake's `tables`."""

    name: str
    version: int
    owner: str
    meaning: str
    sql: str
    columns: tuple[ViewColumn, ...]
    tables: frozenset[str]


@cache
def versions() -> dict[str, dict[int, View]]:
    """Every version of every served view, by name and number, both in order."""
    found: dict[str, dict[int, View]] = {}
    for folder in (resources.files(__package__) / "views").iterdir():
        read = [_view(folder.name, each.read_text("utf-8")) for each in folder.iterdir()]
        found[folder.name] = {view.version: view for view in sorted(read, key=lambda view: view.version)}
    return dict(sorted(found.items()))


@cache
def views() -> dict[str, View]:
    """The version in force of every served view, in the order of their names."""
    return {name: each[max(each)] for name, each in versions().items()}


def version(name: str, number: int) -> View:
    """One version of a view. Raises BadInput where there is none."""
    try:
        return versions()[name][number]
    except KeyError:
        known = ", ".join(f"{each}/{number}" for each, made in versions().items() for number in made)
        raise BadInput("no such version of a view", hint="one of " + known) from None


def sources(names: Collection[str]) -> frozenset[str]:
    """The lake's tables that these views read; that of the events for a query that reads none."""
    return frozenset(table for name in names for table in views()[name].tables) or frozenset((EVENTS.name,))


def type_name(kind: pa.DataType) -> str:
    """What Trino calls the type of a column in an answer."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array({type_name(kind.value_type)})"
    if pa.types.is_timestamp(kind):
        return "timestamp(6) with time zone" if kind.tz else "timestamp(6)"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    names = {"string": "varchar", "large_string": "varchar", "int64": "bigint", "int32": "integer"}
    names |= {"bool": "boolean", "date32[day]": "date", "float": "real"}
    return names.get(str(kind), str(kind))


def _view(name: str, text: str) -> View:
    lines = text.splitlines()
    head = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    said = dict(line.split(": ", 1) for line in head[1:])
    sql = "\n".join(lines[len(head) :])
    tree = sqlglot.parse_one(sql, read="trino")
    assert isinstance(tree, exp.Select)
    tables = frozenset(f"{table.db}.{table.name.partition('$')[0]}" for table in tree.find_all(exp.Table))
    never_null = said["never null"].split(", ")
    columns = tuple(
        ViewColumn(
            each.alias,
            each.this.to.sql("trino").lower(),
            _meaning(each.alias, tables),
            each.alias not in never_null,
        )
        for each in tree.expressions
    )
    return View(name, int(said["version"]), said["owner"], head[0], sql, columns, tables)


def _meaning(column: str, tables: frozenset[str]) -> str:
    if column in _MEANINGS:
        return _MEANINGS[column]
    return next(
        each.meaning for table in sorted(tables) for each in TABLES[table].columns if each.name == column
    )
