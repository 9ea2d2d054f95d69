"""The served views: what may be asked about, column by column, written once in Trino's dialect.

`views/<name>.sql` is the view: its first line says what it is, and every column is a cast with a name, so
that the file is the contract. An analyst's views are the same with the keys of persons left empty.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import pyarrow as pa
import sqlglot
from sqlglot import exp

from catalog.tables import REASONS, TABLES
from serve_apps.query.engine.port import ROLES, Role

MASKED = frozenset(("customer_key", "account_key"))
"""Columns that are null to an analyst."""

_MEANINGS = {
    "redacted_text": "the text, its identifiers replaced by what kind they were",
    "segment_offset": "byte offset of its frame in that segment",
    "first_event_time": "event_time of the earliest member",
    "last_event_time": "event_time of the latest member",
    "members": "events in the cluster",
    "customers": "different known customers among them",
    "representative": "event_id of the first member in commit order",
    "representative_text": "redacted text of the representative",
    "complaints": "accepted events that are complaints",
    "clusters": "different grievances among them: members of one cluster count once",
    "quarantined": "events held back",
    "is_provisional": "more may come: it is the newest day received, or the one before",
}


class ViewColumn(NamedTuple):
    """A column of a view; `type` is Trino's name for it."""

    name: str
    type: str
    meaning: str


class View(NamedTuple):
    """A view: `sql` in Trino's dialect, over the lake's `tables`."""

    name: str
    meaning: str
    sql: str
    columns: tuple[ViewColumn, ...]
    tables: frozenset[str]


@cache
def views() -> dict[str, View]:
    """Every served view by name, in the order of their names."""
    folder = resources.files(__package__) / "views"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda f: f.name)
    return {name: _view(name, f.read_text("utf-8")) for f in files for name in [f.name.removesuffix(".sql")]}


def statements(dialect: str) -> list[str]:
    """What makes the views of every role, given that an engine has the lake's tables: a schema for each."""
    made = [f"CREATE SCHEMA {role}" for role in ROLES]
    for view in views().values():
        query = sqlglot.transpile(view.sql, "trino", dialect, comments=False)[0]
        made.append(f"CREATE VIEW compliance.{view.name} AS {query}")
        shown = ", ".join(_shown(column, dialect) for column in view.columns)
        made.append(f"CREATE VIEW analyst.{view.name} AS SELECT {shown} FROM compliance.{view.name}")
    return made


def sources(names: frozenset[str]) -> frozenset[str]:
    """The lake's tables that these views read."""
    return frozenset(table for name in names for table in views()[name].tables)


def hidden(role: Role) -> frozenset[str]:
    """The columns that this role finds empty."""
    return MASKED if role == "analyst" else frozenset()


def dictionary(role: Role) -> dict[str, Any]:
    """The data dictionary as this role sees it: views, columns and reasons."""
    masked = hidden(role)
    return {
        "role": role,
        "views": [
            {
                "name": view.name,
                "meaning": view.meaning,
                "tables": sorted(view.tables),
                "columns": [{**each._asdict(), "is_masked": each.name in masked} for each in view.columns],
            }
            for view in views().values()
        ],
        "reasons": REASONS,
    }


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


def _shown(column: ViewColumn, dialect: str) -> str:
    if column.name not in MASKED:
        return column.name
    kind = exp.DataType.build(column.type, dialect="trino").sql(dialect)
    return f"CAST(NULL AS {kind}) AS {column.name}"


def _view(name: str, text: str) -> View:
    meaning, _, sql = text.partition("\n")
    tree = sqlglot.parse_one(sql, read="trino")
    assert isinstance(tree, exp.Select)
    tables = frozenset(f"{table.db}.{table.name}" for table in tree.find_all(exp.Table))
    columns = tuple(
        ViewColumn(each.alias, each.this.to.sql("trino").lower(), _meaning(each.alias, tables))
        for each in tree.expressions
    )
    return View(name, meaning.removeprefix("-- "), sql.strip(), columns, tables)


def _meaning(column: str, tables: frozenset[str]) -> str:
    if column in _MEANINGS:
        return _MEANINGS[column]
    return next(
        each.meaning for table in sorted(tables) for each in TABLES[table].columns if each.name == column
    )
