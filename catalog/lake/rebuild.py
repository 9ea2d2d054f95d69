"""A derived table, rebuilt day by day: all rows of an event date are replaced by what they should be now; or
all of a month, in a table that is divided by months.

The table says in `beejan.source_seq` from which commit of its source it was built. Building again from the
same commit gives the same rows, so a crash, a rival or an unknown outcome costs nothing but the work.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from datetime import date

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from catalog.errors import CommitConflict
from catalog.lake.commit import Lake
from catalog.lake.read import RECEIVED_TO, SOURCE_SEQ, day_of, planned
from catalog.lake.swap import TURN, swap
from catalog.lake.write import OneTransaction, Overwrite, stage, writing
from catalog.tables import TABLES


def source_seq(lake: Lake, table: str) -> int:
    """The commit of the source that the table was built from; 0 before the first."""
    return _built_from(lake.store.load(table))


def _built_from(table: Table) -> int:
    return int(table.properties.get(SOURCE_SEQ, "0"))


def rebuild(
    lake: Lake, table: str, days: Iterable[tuple[date, pa.Table]], seq: int, received_to: date | None = None
) -> None:
    """Replace the rows of each day or month by those given, in one swap that moves `source_seq` to `seq`.

    `days` are asked for one after the other, so that one is held at a time; each comes once, and after the
    base of the swap was read: what they read of the table itself is that base, or the swap is refused.
    `received_to` is when the newest event of the source was received.

    Raises NotDurable before the swap, CommitConflict when another writer was faster, or built from a later
    commit before: nothing was changed then; CommitUnknown when the answer was lost: building again is safe.
    """
    # 1. One load is the base of the swap and says which files go.
    base = lake.store.load(table)
    if _built_from(base) > seq:
        # One that was stopped and wakes: its rows know less of what joins clusters.
        raise CommitConflict("the table was built from a later commit", hint="leave it as it is", table=table)
    schema = TABLES[table].arrow_schema
    transaction = OneTransaction(base)
    overwrite = Overwrite(transaction, {TURN: "rebuild"})
    numbers, changed = itertools.count(), False
    before: dict[date | None, list[DataFile]] = defaultdict(list)
    for task in planned(base):
        before[day_of(base, task.file)].append(task.file)
    with writing(table):
        # 2. Day by day: the files before go, the rows of now are written.
        for day, rows in days:
            for file in before[day]:
                overwrite.delete_data_file(file)
                changed = True
            exact = rows.select(schema.names).cast(schema)
            if exact.num_rows:
                stage(base, overwrite, exact, numbers)
                changed = True
        # 3. Manifests; without any change an empty append, since a swap without a snapshot is not guarded.
        if changed:
            overwrite.commit()
        else:
            transaction = OneTransaction(base)
            transaction.append(schema.empty_table(), snapshot_properties={TURN: "rebuild"})
    received = {RECEIVED_TO: received_to.isoformat()} if received_to else {}
    transaction.set_properties({SOURCE_SEQ: str(seq)} | received)
    # 4. The swap.
    swap(transaction, staged="rebuild.staged", swapped="rebuild.swapped")
