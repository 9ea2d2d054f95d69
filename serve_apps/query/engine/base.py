"""The lake's tables as DuckDB views over the files of one snapshot, columns found by field id."""

from __future__ import annotations

from collections.abc import Iterable

import sqlglot
from sqlglot import exp

from catalog.lake.commit import COMMIT_SEQ
from catalog.lake.read import RECEIVED_TO, SOURCE_SEQ, Snapshot
from catalog.tables import TableSpec, Type
from serve_apps.query.engine.dialect import DIALECT
from serve_apps.query.guard import SERVED
from serve_apps.query.roles import Grant, grants
from serve_apps.query.views import View, ViewColumn, views

TYPES: dict[Type, str] = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamptz": "TIMESTAMPTZ",
    "binary": "BLOB",
    "list<long>": "BIGINT[]",
    "list<string>": "VARCHAR[]",
}


def schemas(specs: Iterable[TableSpec]) -> list[str]:
    """The schemas, and the tables without a row: what the served views are made over."""
    specs = tuple(specs)
    names = sorted({spec.name.partition(".")[0] for spec in specs})
    made = [f"CREATE SCHEMA {name}" for name in names]
    return made + [statement for spec in specs for statement in statements(spec, None)]


def served() -> list[str]:
    """The served views over those tables, and each role's own views over them, in a schema of its name."""
    made = [f"CREATE SCHEMA {SERVED}"]
    for each in views().values():
        made.append(f"CREATE VIEW {SERVED}.{each.name} AS {_here(each.sql)}")
    for role, grant in grants().items():
        made.append(f"CREATE SCHEMA {role}")
        made += [_granted(role, grant, views()[name]) for name in grant.views]
    return made


def statements(spec: TableSpec, snapshot: Snapshot | None) -> list[str]:
    """What makes or replaces the view of a table, and of what the table says of itself."""
    return [_table(spec, snapshot), _properties(spec, snapshot)]


def _granted(role: str, grant: Grant, view: View) -> str:
    shown = ", ".join(_shown(column, grant) for column in grant.columns(view))
    rows = f" WHERE {_here(grant.rows[view.name])}" if view.name in grant.rows else ""
    return f"CREATE VIEW {role}.{view.name} AS SELECT {shown} FROM {SERVED}.{view.name}{rows}"


def _shown(column: ViewColumn, grant: Grant) -> str:
    if column.name not in grant.masked:
        return column.name
    kind = exp.DataType.build(column.type, dialect="trino").sql(DIALECT)
    return f"CAST(NULL AS {kind}) AS {column.name}"


def _here(sql: str) -> str:
    return sqlglot.transpile(sql, "trino", DIALECT, comments=False)[0]


def _properties(spec: TableSpec, snapshot: Snapshot | None) -> str:
    """As the other engine names it: a table's properties, key by key."""
    schema, _, name = spec.name.partition(".")
    commit, source = (0, 0) if snapshot is None else (snapshot.commit_seq, snapshot.source_seq)
    rows = f"('{COMMIT_SEQ}', '{commit}'), ('{SOURCE_SEQ}', '{source}')"
    if snapshot is not None and snapshot.received_to:
        rows += f", ('{RECEIVED_TO}', {_text(snapshot.received_to)})"
    return f'CREATE OR REPLACE VIEW {schema}."{name}$properties" AS FROM (VALUES {rows}) AS told (key, value)'


def _table(spec: TableSpec, snapshot: Snapshot | None) -> str:
    """A column the snapshot lacks is null."""
    ids = {} if snapshot is None else {field.name: field.field_id for field in snapshot.schema}
    read = snapshot is not None and snapshot.files
    columns = ", ".join(
        f'"{column.name}"'
        if read and column.name in ids
        else f'CAST(NULL AS {TYPES[column.type]}) AS "{column.name}"'
        for column in spec.columns
    )
    start = f"CREATE OR REPLACE VIEW {spec.name} AS SELECT {columns}"
    if snapshot is None or not read:
        return f"{start} WHERE false"
    mapped = ", ".join(
        f"{ids[name]}: {{name: {_text(name)}, type: '{TYPES[kind]}', default_value: NULL}}"
        for name, kind, _, _ in spec.columns
        if name in ids
    )
    files = ", ".join(map(_text, snapshot.files))
    return f"{start} FROM read_parquet([{files}], schema = MAP {{{mapped}}}, hive_partitioning = false)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
