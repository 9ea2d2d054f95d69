"""The lake's tables as DuckDB views over the files of one snapshot, columns found by field id."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.lake.read import Snapshot
from catalog.tables import TableSpec, Type

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
    names = sorted({spec.name.partition(".")[0] for spec in specs})
    return [f"CREATE SCHEMA {name}" for name in names] + [view(spec, None) for spec in specs]


def view(spec: TableSpec, snapshot: Snapshot | None) -> str:
    """The statement that makes or replaces a table's view. A column the snapshot lacks is null."""
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
