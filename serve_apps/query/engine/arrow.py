"""Answers as Arrow, of whichever engine: Trino's types and rows, and what no answer may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from catalog.errors import BadInput, TooLarge

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
        raise no_such_values(plain)
    return TYPES[plain]


def schema(columns: Iterable[tuple[str, str]]) -> pa.Schema:
    """Of columns by name and Trino's type. Raises BadInput for two of one name."""
    columns = list(columns)
    require_own_names([name for name, _ in columns])
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns])


def require_own_names(names: Sequence[str]) -> None:
    """Raises BadInput where two columns have one name."""
    if len(set(names)) < len(names):
        raise BadInput("two columns of the answer have one name", hint="name them with AS")


def batch(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as the client gives them. Raises BadInput for a number that fits no type of the schema."""
    columns = zip(*rows, strict=True)
    try:
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    except (pa.ArrowInvalid, OverflowError):
        raise too_large_number() from None
    return pa.record_batch(arrays, schema=schema)


def within(most_bytes: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """All of the batches. Raises TooLarge as soon as they are more than `most_bytes` in memory."""
    kept, size = [], 0
    for each in batches:
        size += each.nbytes
        if size > most_bytes:
            raise TooLarge("the answer is too large", hint="ask for fewer rows or columns", most=most_bytes)
        kept.append(each)
    return pa.Table.from_batches(kept, schema)


def no_such_values(kind: str) -> BadInput:
    """What to raise for a column of a type that no answer can have."""
    return BadInput("an answer cannot hold such values", hint="CAST, or date_diff of times", type=kind)


def too_large_number() -> BadInput:
    """What to raise for a number beyond the type of its column."""
    return BadInput("a number of the answer is too large", hint="CAST it to double")
