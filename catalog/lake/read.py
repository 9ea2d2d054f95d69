"""Reading the lake: rows by plan, one event, and what `verify` takes straight from the data files.

Rows come ordered by (plan, segment, offset). The order a plan's rows were given in is not kept: a commit
splits them by partition, and compaction merges files. Comparisons sort by the same three columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet
from pyiceberg.table import FileScanTask, Table

from catalog.errors import Stopped, UnsafeStore
from catalog.lake.commit import COMMIT_SEQ, Lake
from catalog.tables import EVENTS, TABLES

ROW_ORDER = ("plan", "segment", "offset", "channel")
"""Only the ledger, which has no segments, needs the channel to tell a plan's rows apart."""
IDENTITY = (
    "event_id",
    "payload_digest",
    "disposition",
    "reason",
    "conflicts_with",
    "segment",
    "offset",
    "plan",
    "channel",
)


class DataFile(NamedTuple):
    """One file of a snapshot; `partition` holds its values as text, by column."""

    path: str
    record_count: int
    partition: dict[str, str]


class Files(NamedTuple):
    """The data files of one snapshot and the commit_seq that goes with them."""

    commit_seq: int
    files: list[DataFile]


class Identities(NamedTuple):
    """Who is in the table, by its data files: the columns of `IDENTITY` and `data_file`."""

    commit_seq: int
    rows: pa.Table
    unreadable: list[str]


class Row(NamedTuple):
    """One row of `structured.events` and the file that holds it."""

    values: dict[str, Any]
    data_file: str


def data_files(lake: Lake, table: str) -> Files:
    """From one load. Raises UnsafeStore for a table with delete files: its files alone are not its rows."""
    loaded = lake.store.load(table)
    return Files(int(loaded.properties.get(COMMIT_SEQ, "0")), list(_files(loaded)))


def rows(
    lake: Lake, table: str, plan_from: int, plan_to: int, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of plans `plan_from` to `plan_to`, both included, in row order.

    Files without rows of those plans are skipped by their bounds. Raises Stopped for a damaged one.
    """
    spec = TABLES[table]
    names = tuple(columns or spec.arrow_schema.names)
    order = [name for name in ROW_ORDER if name in spec.arrow_schema.names]
    needed = tuple(dict.fromkeys((*names, *order)))
    wanted = f"plan >= {int(plan_from)} and plan <= {int(plan_to)}"
    found = _scan(lake, table, wanted, needed)
    schema = pa.schema([spec.arrow_schema.field(name) for name in needed])
    # A scan gives the types its files have, which an append would not take back.
    exact = found.select(needed).cast(schema)
    return exact.sort_by([(name, "ascending") for name in order]).select(names)


def row(lake: Lake, event_id: str) -> Row | None:
    """The row of one event, or None. Looks into every file: for one person's question, not for a loop."""
    for file in data_files(lake, EVENTS.name).files:
        ids = _read(file.path, ("event_id",)).column("event_id")
        position = ids.index(pa.scalar(event_id, ids.type)).as_py()
        if position >= 0:
            found = _read(file.path, tuple(EVENTS.arrow_schema.names)).slice(position, 1)
            return Row(found.to_pylist()[0], file.path)
    return None


def table_ids(lake: Lake) -> Identities:
    """Every row's identity as the data files of one snapshot hold it now, row counts untrusted.

    A file that is gone, torn or of another shape is listed as unreadable.
    """
    snapshot = data_files(lake, EVENTS.name)
    schema = pa.schema([EVENTS.arrow_schema.field(name) for name in IDENTITY])
    schema = schema.append(pa.field("data_file", pa.large_string(), nullable=False))
    parts, unreadable = [schema.empty_table()], []
    for file in snapshot.files:
        try:
            found = _read(file.path, IDENTITY)
        except Stopped:
            unreadable.append(file.path)
            continue
        path = pa.repeat(pa.scalar(file.path, pa.large_string()), found.num_rows)
        parts.append(found.append_column(schema.field("data_file"), path))
    return Identities(snapshot.commit_seq, pa.concat_tables(parts), unreadable)


def counts(lake: Lake, upto: int) -> dict[str, dict[str, int]]:
    """Rows of `structured.events` of the plans up to `upto` by channel, then by disposition.

    Raises Stopped for a damaged file.
    """
    columns = ("channel", "disposition")
    wanted = f"plan <= {int(upto)}"
    found = _scan(lake, EVENTS.name, wanted, columns)
    grouped = found.group_by(list(columns)).aggregate([([], "count_all")])
    result: dict[str, dict[str, int]] = {}
    for entry in grouped.to_pylist():
        result.setdefault(entry["channel"], {})[entry["disposition"]] = entry["count_all"]
    return result


def planned(table: Table) -> Iterator[FileScanTask]:
    """The files of a loaded table's head. Raises UnsafeStore where delete files go with them."""
    for task in table.scan().plan_files():
        if task.delete_files:
            raise UnsafeStore(
                "the table has delete files",
                hint="rewrite them away with the engine that made them",
                file=task.file.file_path,
            )
        yield task


def _files(table: Table) -> Iterator[DataFile]:
    schema, specs = table.schema(), table.specs()
    for task in planned(table):
        partition = {}
        for position, field in enumerate(specs[task.file.spec_id].fields):
            value, kind = task.file.partition[position], schema.find_type(field.source_id)
            partition[field.name] = field.transform.to_human_string(kind, value)
        yield DataFile(task.file.file_path, task.file.record_count, partition)


def _read(path: str, columns: Sequence[str]) -> pa.Table:
    """Columns of one file of `structured.events`, by name: its version knows no renamed column.

    Raises Stopped for a file that cannot be read as such.
    """
    schema = pa.schema([EVENTS.arrow_schema.field(name) for name in columns])
    # Not read_table: that would take `channel=…` in the path for a column of its own.
    with _naming(path), parquet.ParquetFile(path) as file:
        return file.read(columns=list(columns)).select(columns).cast(schema)


def _scan(lake: Lake, table: str, wanted: str, columns: tuple[str, ...]) -> pa.Table:
    loaded = lake.store.load(table)
    try:
        return loaded.scan(row_filter=wanted, selected_fields=columns).to_arrow()
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the device's word, which may be another next time
        # It does not say which file: ask each of them.
        for task in planned(loaded):
            with _naming(task.file.file_path), parquet.ParquetFile(task.file.file_path) as file:
                file.read()
        raise


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Whatever a damaged file makes the reader raise becomes Stopped, with its path."""
    try:
        yield
    except (OSError, KeyError, ValueError, pa.ArrowException):
        raise Stopped("a data file cannot be read", hint="restore it from a backup", file=path) from None
