"""Reading the lake: rows by plan, one event, and what `verify` takes straight from the data files.

Rows come ordered by (plan, segment, offset). The order a plan's rows were given in is not kept: a commit
splits them by partition, and compaction merges files. Comparisons sort by the same three columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from pyiceberg.expressions import BooleanExpression
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import ALWAYS_TRUE, FileScanTask, Table

from catalog.clock import EPOCH
from catalog.errors import Stopped, UnsafeStore
from catalog.lake.commit import COMMIT_SEQ, Lake
from catalog.lake.fileio import answering
from catalog.lake.store import LOADS
from catalog.tables import EVENTS, TABLES

SOURCE_SEQ = "beejan.source_seq"
RECEIVED_TO = "beejan.received_to"
"""Property of a derived table: the UTC date on which the newest event of its source was received."""
PARTITION_DATES = ("event_date", "month")
"""By which a table is divided in time, if it is."""
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


class Files(NamedTuple):
    """The data files of one snapshot and the commit_seq that goes with them."""

    commit_seq: int
    paths: list[str]


class Identities(NamedTuple):
    """Who is in the table, by its data files: the columns of `IDENTITY` and `data_file`."""

    commit_seq: int
    rows: pa.Table
    unreadable: list[str]


class Field(NamedTuple):
    """A column as the files know it: by its id, whatever it was called when they were written."""

    field_id: int
    name: str
    type: str


class Snapshot(NamedTuple):
    """What another engine needs to read a table. `location` is its metadata file: each state has its own."""

    location: str
    commit_seq: int
    source_seq: int
    """What a derived table was built from; 0 for a table that derives from none."""
    snapshot_id: int | None
    files: tuple[str, ...]
    schema: tuple[Field, ...]
    received_to: str = ""
    """When the newest event of its source was received, if a derived table says so: an ISO date."""


class Row(NamedTuple):
    """One row of `structured.events` and the file that holds it."""

    values: dict[str, Any]
    data_file: str


def data_files(lake: Lake, table: str) -> Files:
    """From one load. Raises UnsafeStore for a table with delete files: its files alone are not its rows."""
    loaded = lake.store.load(table)
    paths = [task.file.file_path for task in planned(loaded)]
    return Files(int(loaded.properties.get(COMMIT_SEQ, "0")), paths)


def snapshot(lake: Lake, table: str) -> Snapshot:
    """One table's state, from one load; raises like `snapshots`."""
    return snapshots(lake, (table,), {})[table]


def snapshots(lake: Lake, tables: Sequence[str], known: Mapping[str, Snapshot]) -> dict[str, Snapshot]:
    """The states of several tables at one instant; those in `known` that did not move are not read again.

    Raises UnsafeStore for a table with delete files, Unavailable, and Stopped when a file of it is gone.
    """
    for _ in range(LOADS):
        locations = lake.store.locations(tables)
        try:
            return {
                name: known[name]
                if name in known and known[name].location == location
                else _snapshot(lake.store.load_at(location))
                for name, location in locations.items()
            }
        except FileNotFoundError:
            continue  # commits since then removed what the pointers named: read them again
    raise Stopped("the tables' metadata is gone", hint="was the home moved? put it back")


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
    loaded, plan = lake.store.load(table), pc.field("plan")
    parts = [_part(table, needed).empty_table()]
    # File by file: a merged one may hold many more plans.
    for task in planned(loaded, _of_plans(plan_from, plan_to)):
        parts.append(whole_files(loaded, [task], needed).filter((plan >= plan_from) & (plan <= plan_to)))
    found = pa.concat_tables(parts)
    return found.sort_by([(name, "ascending") for name in order]).select(names)


def touched(lake: Lake, table: str, plan_from: int, plan_to: int) -> list[date]:
    """Event dates with rows of these plans, in order, by the bounds of the files: none is left out."""
    wanted = _of_plans(plan_from, plan_to)
    loaded = lake.store.load(table)
    days = {day_of(loaded, task.file) for task in planned(loaded, wanted)}
    return sorted(day for day in days if day is not None)


def days(
    lake: Lake, table: str, wanted: Sequence[date], plan_to: int, columns: Sequence[str]
) -> Iterator[tuple[date, pa.Table]]:
    """These columns of all rows of each event date that plans up to `plan_to` brought, one date at a time."""
    loaded, names = lake.store.load(table), tuple(dict.fromkeys((*columns, "plan")))
    tasks: dict[date | None, list[FileScanTask]] = defaultdict(list)
    if wanted:
        listed = ", ".join(f"'{day.isoformat()}'" for day in wanted)
        for task in planned(loaded, f"event_date in ({listed})"):
            tasks[day_of(loaded, task.file)].append(task)
    for day in wanted:
        found = whole_files(loaded, tasks[day], names)
        yield day, found.filter(pc.field("plan") <= plan_to).select(columns)


def whole(lake: Lake, table: str, day: date | None = None) -> pa.Table:
    """All rows of a table's newest snapshot, or of one day or month by which it is divided."""
    loaded = lake.store.load(table)
    tasks = [task for task in planned(loaded) if day is None or day_of(loaded, task.file) == day]
    return whole_files(loaded, tasks, TABLES[table].arrow_schema.names)


def day_of(table: Table, file: DataFile) -> date | None:
    """The event date, or month, whose rows a file holds; None in a table without."""
    for position, field in enumerate(table.specs()[file.spec_id].fields):
        if field.name in PARTITION_DATES:
            return EPOCH.date() + timedelta(days=file.partition[position])
    return None


def row(lake: Lake, event_id: str) -> Row | None:
    """The row of one event, or None. Looks into every file: for one person's question, not for a loop."""
    for path in data_files(lake, EVENTS.name).paths:
        ids = _read(lake, path, ("event_id",)).column("event_id")
        position = ids.index(pa.scalar(event_id, ids.type)).as_py()
        if position >= 0:
            found = _read(lake, path, tuple(EVENTS.arrow_schema.names)).slice(position, 1)
            return Row(found.to_pylist()[0], path)
    return None


def table_ids(lake: Lake) -> Identities:
    """Every row's identity as the data files of one snapshot hold it now, row counts untrusted.

    A file that is gone, torn or of another shape is listed as unreadable.
    """
    snapshot = data_files(lake, EVENTS.name)
    schema = pa.schema([EVENTS.arrow_schema.field(name) for name in IDENTITY])
    schema = schema.append(pa.field("data_file", pa.large_string(), nullable=False))
    parts, unreadable = [schema.empty_table()], []
    for path in snapshot.paths:
        try:
            found = _read(lake, path, IDENTITY)
        except Stopped:
            unreadable.append(path)
            continue
        named = pa.repeat(pa.scalar(path, pa.large_string()), found.num_rows)
        parts.append(found.append_column(schema.field("data_file"), named))
    return Identities(snapshot.commit_seq, pa.concat_tables(parts), unreadable)


def counts(lake: Lake, upto: int) -> dict[str, dict[str, int]]:
    """Rows of `structured.events` of the plans up to `upto` by channel, then by disposition.

    Raises Stopped for a damaged file.
    """
    columns = ("channel", "disposition")
    loaded = lake.store.load(EVENTS.name)
    found = whole_files(loaded, planned(loaded, _of_plans(0, upto)), (*columns, "plan"))
    found = found.filter(pc.field("plan") <= upto)
    grouped = found.group_by(list(columns)).aggregate([([], "count_all")])
    result: dict[str, dict[str, int]] = {}
    for entry in grouped.to_pylist():
        result.setdefault(entry["channel"], {})[entry["disposition"]] = entry["count_all"]
    return result


def planned(table: Table, wanted: str | BooleanExpression = ALWAYS_TRUE) -> Iterator[FileScanTask]:
    """The files of a loaded table's head that may hold the rows wanted.

    Raises UnsafeStore where delete files go with them.
    """
    for task in table.scan(row_filter=wanted).plan_files():
        if task.delete_files:
            raise UnsafeStore(
                "the table has delete files",
                hint="rewrite them away with the engine that made them",
                file=task.file.file_path,
            )
        yield task


def whole_files(table: Table, tasks: Iterable[FileScanTask], columns: Sequence[str]) -> pa.Table:
    """These columns of whole files. Raises Stopped for a damaged one, and OSError or Unavailable where the
    device or the store, which may answer otherwise the next time, says no."""
    schema = _part(".".join(table.name()), columns)
    parts = [schema.empty_table()]
    for path in (task.file.file_path for task in tasks):
        try:
            parts.append(_columns(table.io, path, schema))
        except OSError as error:
            if error.errno is not None:
                raise
            raise _unreadable(path) from None
        except (KeyError, ValueError, pa.ArrowException):
            raise _unreadable(path) from None
    return pa.concat_tables(parts)


def _snapshot(table: Table) -> Snapshot:
    properties = table.properties
    return Snapshot(
        location=table.metadata_location,
        commit_seq=int(properties.get(COMMIT_SEQ, "0")),
        source_seq=int(properties.get(SOURCE_SEQ, "0")),
        snapshot_id=table.metadata.current_snapshot_id,
        files=tuple(task.file.file_path for task in planned(table)),
        schema=tuple(Field(each.field_id, each.name, str(each.field_type)) for each in table.schema().fields),
        received_to=properties.get(RECEIVED_TO, ""),
    )


def _read(lake: Lake, path: str, columns: Sequence[str]) -> pa.Table:
    """Columns of one file of `structured.events`. Raises Stopped for a file that cannot be read as such."""
    with _naming(path):
        return _columns(lake.store.files, path, _part(EVENTS.name, columns))


def _columns(files: FileIO, path: str, schema: pa.Schema) -> pa.Table:
    """By name: a table's version knows no renamed column. One added since the file was written is null."""
    # Not read_table: that would take `channel=…` in the path for a column of its own.
    with (
        answering(),
        files.new_input(path).open() as source,
        parquet.ParquetFile(source, pre_buffer=True) as file,
    ):
        held = file.read(columns=schema.names)
    for field in schema:
        if field.nullable and field.name not in held.column_names:
            held = held.append_column(field, pa.nulls(held.num_rows, field.type))
    return held.select(schema.names).cast(schema)


def _part(table: str, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([TABLES[table].arrow_schema.field(name) for name in columns])


def _of_plans(plan_from: int, plan_to: int) -> str:
    return f"plan >= {int(plan_from)} and plan <= {int(plan_to)}"


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Whatever a damaged file makes the reader raise becomes Stopped, with its path."""
    try:
        yield
    except (OSError, KeyError, ValueError, pa.ArrowException):
        raise _unreadable(path) from None


def _unreadable(path: str) -> Stopped:
    return Stopped("a data file cannot be read", hint="restore it from a backup", file=path)
