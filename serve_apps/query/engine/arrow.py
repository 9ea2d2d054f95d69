"""Rows of Trino as Arrow, in the types that every engine answers in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from catalog.errors import BadInput

TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "char": pa.string(),
    "json": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "unknown": pa.null(),
}
_ARRAY = re.compile(r"array\((.*)\)")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_LENGTH = re.compile(r"\(\d+\)")


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of one of Trino's. Raises BadInput for a type that no answer can have."""
    if found := _ARRAY.fullmatch(name):
        return pa.list_(arrow_type(found[1]))
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    plain = _LENGTH.sub("", name)
    if plain not in TYPES:
        raise BadInput("an answer cannot hold such values", hint="CAST, or date_diff of times", type=plain)
    return TYPES[plain]


def schema(columns: Iterable[tuple[str, str]]) -> pa.Schema:
    """Of columns by name and Trino's type. Raises BadInput for two of one name."""
    columns = list(columns)
    names = [name for name, _ in columns]
    if len(set(names)) < len(names):
        raise BadInput("two columns of the answer have one name", hint="name them with AS")
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns])


def batch(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as the client gives them. Raises BadInput for a number that fits no type of the schema."""
    columns = zip(*rows, strict=True)
    try:
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    except (pa.ArrowInvalid, OverflowError):
        raise BadInput("a number of the answer is too large", hint="CAST it to double") from None
    return pa.record_batch(arrays, schema=schema)
