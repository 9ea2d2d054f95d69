"""The commit: plan n becomes rows and `commit_seq = n` in one guarded swap, or in none.

The catalog guards the head only for transactions that add a snapshot. So every commit appends, an empty
append when there are no rows, and the check and the base of the swap come from one loaded table.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from catalog import failpoints
from catalog.errors import BadInput, ChainBroken, CommitGap
from catalog.lake.head import CHAIN as CHAIN
from catalog.lake.head import COMMIT_SEQ as COMMIT_SEQ
from catalog.lake.head import COUNTS as COUNTS
from catalog.lake.head import TOTALS as TOTALS
from catalog.lake.head import Head as Head
from catalog.lake.head import head_of
from catalog.lake.selftest import prove_guard
from catalog.lake.store import LakePlace, Store, catalog_answering
from catalog.lake.swap import SNAPSHOT_SEQ, swap
from catalog.lake.write import OneTransaction, stage, writing
from catalog.tables import EVENTS, TABLES, TableSpec

Tally = Mapping[str, Mapping[str, int]]
"""Events by channel, then by outcome."""


class Lake:
    """The tables of one home. Not safe for several threads at once."""

    def __init__(self, place: LakePlace) -> None:
        """Open the lake, creating what is missing."""
        self.store = Store(place)

    def head(self, table: str) -> Head:
        """Raises Unavailable when the catalog does not answer."""
        return _head(self.store.load(table))

    def reconnect(self) -> None:
        """Before reading the head after an unknown outcome: answer from a new connection only."""
        self.store.reconnect()

    def close(self) -> None:
        """Release the catalog's connections."""
        self.store.close()

    def commit(self, table: str, n: int, rows: pa.Table, before: str, chain: str, counts: Tally) -> bool:
        """Append the rows of plan n to a table whose chain is `before`, and move its `commit_seq` from n - 1
        to n and its chain to `chain`, all or nothing. True when plan n was committed before.

        Raises CommitGap when the table is further behind, ChainBroken when it follows another history;
        Unavailable, NotDurable or BadInput before the swap: nothing of plan n is in the table;
        CommitConflict when another writer was faster: the same; CommitUnknown when the swap's answer was
        lost: `reconnect`, then read `head`. A crash before the swap leaves files that no snapshot names, a
        crash after it a committed plan.
        """
        step = "commit" if table == EVENTS.name else "ledger"
        # 1. One read is both the check and the base that the swap is guarded by.
        base = self.store.load(table)
        head = _head(base)
        with writing(table):
            if step == "commit":
                failpoints.hit("commit.loaded")
            if is_committed(head, table, n, before):
                return True
            # 2. Data files, manifests and their list, each durable when closed.
            transaction = OneTransaction(base)
            append = transaction.update_snapshot(snapshot_properties={SNAPSHOT_SEQ: str(n)}).merge_append()
            stage(base, append, _exact(TABLES[table], rows), itertools.count())
            append.commit()
        # 3. The number, the chain and the counts ride on the same swap.
        tallies = {COUNTS: _dump(counts), TOTALS: _dump(_added(head.totals, counts))}
        transaction.set_properties({COMMIT_SEQ: str(n), CHAIN: chain, **tallies})
        # 4. The swap.
        swap(transaction, swapped=f"{step}.swapped", staged=f"{step}.staged")
        return False

    def self_test(self, now_us: int) -> None:
        """Raises UnsafeStore when a stale commit would be accepted; the tables are not touched."""
        with catalog_answering():
            prove_guard(self.store, now_us)

    def check_history(self, table: str) -> bool:
        """Hold `commit_seq` to the newest snapshot behind the head that carries a number.

        False when none does, as after maintenance by hand: surprising, nothing lost. Raises ChainBroken
        where they differ, as after a roll-back to an earlier snapshot.
        """
        loaded = self.store.load(table)
        seq, newest = _head(loaded).commit_seq, loaded.current_snapshot()
        behind = [] if newest is None else ancestors_of(newest, loaded.metadata)
        carried = next((found for each in behind if (found := _carried(each)) is not None), None)
        if carried is None and (seq or newest):
            return False
        if (carried or 0) != seq:
            raise ChainBroken(
                "the table's head is not the commit its property names",
                hint="was the table rolled back? set its head to the snapshot of that commit",
                table=table,
                property=seq,
                snapshot=carried or 0,
            )
        return True


def is_committed(head: Head, table: str, n: int, before: str) -> bool:
    """True when plan n is in the table already.

    Raises CommitGap when the plan before it is not, ChainBroken when that one has not the chain `before`.
    """
    if head.commit_seq < n - 1:
        raise CommitGap(
            "the table lacks plans before this one",
            hint="was the table restored from a backup? compare it with the control database",
            table=table,
            commit_seq=head.commit_seq,
            n=n,
        )
    if head.commit_seq == n - 1 and head.chain != before:
        raise ChainBroken("the table follows another history than the plans", table=table, n=n)
    return head.commit_seq >= n


def _head(table: Table) -> Head:
    return head_of(table.properties)


def _exact(spec: TableSpec, rows: pa.Table) -> pa.Table:
    """The rows in the table's own schema: an append accepts less, and then types drift between files."""
    try:
        return rows.select(spec.arrow_schema.names).cast(spec.arrow_schema)
    except (pa.ArrowException, ValueError, KeyError):
        # Arrow's message may quote a value of a row.
        raise BadInput(
            "rows do not fit the table", hint="build them with the table's arrow_schema", table=spec.name
        ) from None


def _carried(snapshot: Snapshot) -> int | None:
    summary: Any = snapshot.summary
    value = None if summary is None else summary.get(SNAPSHOT_SEQ)
    return None if value is None else int(value)


def _added(totals: Tally, counts: Tally) -> Tally:
    summed = {channel: Counter(outcomes) for channel, outcomes in totals.items()}
    for channel, outcomes in counts.items():
        summed.setdefault(channel, Counter()).update(outcomes)
    return summed


def _dump(tally: Tally) -> str:
    return json.dumps({channel: dict(outcomes) for channel, outcomes in tally.items()}, sort_keys=True)
