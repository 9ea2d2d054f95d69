"""Turns of the sequencer's loop between two commits: compact, expire, remove what nothing names.

Each is one call, safe to repeat, and none changes a property. Another writer in between makes a turn
raise CommitConflict with nothing lost; the next turn does its work.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import pyarrow as pa
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from catalog import failpoints
from catalog.errors import Stopped
from catalog.lake.commit import COMMIT_SEQ, Lake
from catalog.lake.folder import Folder
from catalog.lake.read import ROW_ORDER, day_of, planned, whole_files
from catalog.lake.swap import SNAPSHOT_SEQ, TURN, publish, swap
from catalog.lake.write import OneTransaction, Overwrite, stage, writing
from catalog.tables import TABLES

KEEP_SNAPSHOTS = 10
SMALL_BYTES = 32 << 20
"""A file below this size is worth merging."""
MERGE_BYTES = 256 << 20
LARGER = 2
MIN_FILES, OPEN_FILES = 8, 32
"""How many files of one partition make a day due, after it and while its events come."""
MERGE_FILES = 200
"""At most this much of one partition is merged in one turn: it is held in memory, and commits wait."""
GRACE_US = 15 * 60 * 1_000_000
"""How long a query may go on reading the files of a snapshot that has expired since."""
UNREFERENCED = "unreferenced.json"
"""Files beside the table's folders that no snapshot names any more, and since when. Losing it only delays a
deletion: what it lists was listed before a commit moved the head, and named by nothing after it."""


class Compacted(NamedTuple):
    """What a compaction replaced by what, and the number of rows in both."""

    event_date: date | None
    files_before: int
    files_after: int
    rows: int


class Swept(NamedTuple):
    """Files found to be named by nothing, and how many found earlier were deleted."""

    unreferenced: int
    deleted: int


def compact(
    lake: Lake, table: str, before: date, min_files: int = MIN_FILES, open_files: int = OPEN_FILES
) -> Compacted | None:
    """Merge the small files of the day that needs it most, one snapshot for all.

    A day is due when one of its partitions has `min_files` worth merging, or `open_files` while events of the
    day still come (event_date >= `before`); a table without days is always closed. None when nothing is due.
    Raises Stopped where files do not hold the rows they should.
    """
    # 1. One load is the base of the swap and the list of what to merge.
    base = lake.store.load(table)
    day, groups = _due(base, before, min_files, open_files)
    if not groups:
        return None
    transaction = OneTransaction(base)
    marks = {SNAPSHOT_SEQ: base.properties.get(COMMIT_SEQ, "0"), TURN: "compact"}
    overwrite = Overwrite(transaction, marks)
    files_after, row_count, numbers = 0, 0, itertools.count()
    with writing(table):
        # 2. Partition by partition: read, sort, write, count.
        for tasks in groups:
            merged = _merged(base, tasks)
            written = stage(base, overwrite, merged, numbers)
            _hold(table, merged.num_rows, sum(file.record_count for file in written))
            for task in tasks:
                overwrite.delete_data_file(task.file)
            files_after, row_count = files_after + len(written), row_count + merged.num_rows
        # 3. Manifests.
        overwrite.commit()
    # 4. The swap. The files before stay for the snapshots before.
    swap(transaction, staged="compact.staged", swapped="compact.swapped")
    return Compacted(day, sum(map(len, groups)), files_after, row_count)


def expire(lake: Lake, table: str, now_us: int, keep: int = KEEP_SNAPSHOTS, grace_us: int = GRACE_US) -> int:
    """Forget all but the newest `keep` snapshots; their number. Then delete files that are due.

    The files only they named stay: `sweep_orphans` finds them, and `grace_us` later they are deleted.
    """
    # 1. By sequence number: clocks of two machines may disagree.
    base = lake.store.load(table)
    newest_first = sorted(base.snapshots(), key=lambda each: each.sequence_number or 0, reverse=True)
    heads = {ref.snapshot_id for ref in base.refs().values()}
    old = [each.snapshot_id for each in newest_first[keep:] if each.snapshot_id not in heads]
    # 2. The swap. No snapshot is added, and none is needed: expiring twice changes nothing.
    if old:
        transaction = OneTransaction(base)
        ExpireSnapshots(transaction).by_ids(old).commit()
        publish(transaction, swapped="expire.swapped")
    # 3. Files proven unreferenced long enough ago.
    _delete_due(lake, table, now_us, grace_us)
    failpoints.hit("expire.deleted")
    return len(old)


def sweep_orphans(lake: Lake, table: str, now_us: int, grace_us: int = GRACE_US) -> Swept:
    """Find the files that nothing names, by order and not by age, and delete those found long enough ago.

    A file listed before the head moved and named by nothing after it belongs to no commit that can still
    succeed: whoever staged it started from the head before, and the catalog will refuse them. (Other engines
    try again: see `_delete_due`.)
    """
    # 1. List.
    folder = Folder(lake.store.load(table))
    listed = set(folder.listed())
    failpoints.hit("orphans.listed")
    # 2. Move the head: from here on, whatever was staged before can only fail.
    base = lake.store.load(table)
    transaction = OneTransaction(base)
    marks = {SNAPSHOT_SEQ: base.properties.get(COMMIT_SEQ, "0"), TURN: "orphans"}
    with writing(table):
        transaction.append(TABLES[table].arrow_schema.empty_table(), snapshot_properties=marks)
    swap(transaction, swapped="orphans.moved")
    # 3. What the new head and every retained snapshot do not name.
    unreferenced = listed - _referenced(lake.store.load(table), folder)
    _note(folder, unreferenced, now_us)
    # 4. Queries may still be reading what expired a moment ago.
    deleted = _delete_due(lake, table, now_us, grace_us)
    failpoints.hit("orphans.deleted")
    return Swept(len(unreferenced), deleted)


def _due(
    table: Table, before: date, min_files: int, open_files: int
) -> tuple[date | None, list[list[FileScanTask]]]:
    """Of the days that are due the one with the fullest partition, and by partition what to merge of it."""
    days: dict[date | None, dict[object, list[FileScanTask]]] = defaultdict(lambda: defaultdict(list))
    for task in planned(table):
        if task.file.file_size_in_bytes < SMALL_BYTES:
            days[day_of(table, task.file)][task.file.partition].append(task)
    parts = {day: [_worth_merging(tasks) for tasks in groups.values()] for day, groups in days.items()}
    due = {
        day: count
        for day, groups in parts.items()
        if (count := max(map(len, groups))) >= (min_files if day is None or day < before else open_files)
    }
    if not due:
        return None, []
    fullest = max(due, key=lambda day: (due[day], -(day or date.min).toordinal()))
    return fullest, [part for part in parts[fullest] if len(part) > 1]


def _worth_merging(tasks: list[FileScanTask]) -> list[FileScanTask]:
    """The smallest ones first, as long as the next is not far larger than all before: so the rows of a day
    that grows are not written again with every few new ones."""
    found: list[FileScanTask] = []
    total = 0
    for task in sorted(tasks, key=lambda task: task.file.file_size_in_bytes)[:MERGE_FILES]:
        size = task.file.file_size_in_bytes
        if total + size > MERGE_BYTES or (found and size > LARGER * total):
            break
        found.append(task)
        total += size
    return found


def _merged(table: Table, tasks: list[FileScanTask]) -> pa.Table:
    name = ".".join(table.name())
    schema = TABLES[name].arrow_schema
    try:
        found = whole_files(table, tasks, schema.names)
    except OSError:
        raise Stopped(
            "a data file cannot be read", hint="run `beejan verify` to see which", table=name
        ) from None
    _hold(name, sum(task.file.record_count for task in tasks), found.num_rows)
    order = [(column, "ascending") for column in ROW_ORDER if column in schema.names]
    return found.sort_by(order)


def _hold(table: str, expected: int, found: int) -> None:
    """Merging must not launder a file that lost rows: its count would become the truth."""
    if found != expected:
        raise Stopped(
            "files do not hold the rows they were committed with",
            hint="run `beejan verify` to see which, and restore them",
            table=table,
            expected=expected,
            found=found,
        )


def _referenced(table: Table, folder: Folder) -> set[str]:
    """Every file that the head or a retained snapshot names, whichever engine wrote it."""
    metadata = table.metadata
    named = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    named |= {each.statistics_path for each in metadata.statistics}
    named |= {each.statistics_path for each in metadata.partition_statistics}
    for snapshot in metadata.snapshots:
        named.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in named:
                named.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                named |= {entry.data_file.file_path for entry in entries}
    return {folder.path(location) for location in named}


def _note(folder: Folder, paths: Iterable[str], now_us: int) -> None:
    """Remember files proven unreferenced; what is known already keeps its earlier time."""
    since = {path: min(noted, now_us) for path, noted in _noted(folder).items()}
    _write(folder, {path: now_us for path in paths} | since)


def _delete_due(lake: Lake, table: str, now_us: int, grace_us: int) -> int:
    """Delete the files noted at least `grace_us` ago; their number. A crash leaves the rest due.

    Another engine tries its commit again on a head that moved, and may have named since then what was noted:
    so what is named now is looked up once more. What it has staged and not named yet is younger than its
    longest query, and that is shorter than the grace.
    """
    base = lake.store.load(table)
    folder = Folder(base)
    since = _noted(folder)
    due = {path for path, noted in since.items() if now_us - noted >= grace_us}
    if not due:
        return 0
    deleted = due - _referenced(base, folder)
    for path in sorted(deleted):
        folder.delete(path)
    _write(folder, {path: noted for path, noted in since.items() if path not in due})
    return len(deleted)


def _noted(folder: Folder) -> dict[str, int]:
    try:
        noted: dict[str, int] = json.loads(folder.read(UNREFERENCED) or b"{}")
    except ValueError:
        return {}
    return noted


def _write(folder: Folder, since: dict[str, int]) -> None:
    folder.write(UNREFERENCED, json.dumps(since).encode())
