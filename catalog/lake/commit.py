"""The commit: plan n becomes rows and `commit_seq = n` in one guarded swap, or in none.

The catalog guards the head only for transactions that add a snapshot. So every commit appends, an empty
append when there are no rows, and the check and the base of the swap come from one loaded table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from catalog import failpoints
from catalog.errors import BadInput, ChainBroken, CommitGap, NotDurable, Unavailable
from catalog.lake.selftest import prove_guard
from catalog.lake.store import Store
from catalog.lake.swap import SNAPSHOT_SEQ, swap
from catalog.tables import TABLES, TableSpec

COMMIT_SEQ = "beejan.commit_seq"
CHAIN = "beejan.chain"
TOTALS = "beejan.totals"
COUNTS = "beejan.counts"

Tally = Mapping[str, Mapping[str, int]]
"""Events by channel, then by outcome."""
Step = Literal["commit", "ledger"]


class Head(NamedTuple):
    """What the table says about itself, from one load."""

    commit_seq: int
    """Number of the last plan committed; 0 before the first."""
    chain: str
    """Hash over the plans up to that one; empty before the first."""
    totals: dict[str, dict[str, int]]
    """Outcomes by channel, over all plans."""
    counts: dict[str, dict[str, int]]
    """Outcomes by channel, of the last plan."""
    snapshot_id: int | None


class Committed(Enum):
    """Whose commit put plan n into the table."""

    NOW = "now"
    ALREADY = "already"


class Agreement(Enum):
    """What the retained snapshots say about the table's `commit_seq`."""

    AGREES = "agrees"
    UNKNOWN = "unknown"
    """None of them carries a number, as after maintenance by hand: surprising, nothing lost."""


class Lake:
    """The tables of one home. Not safe for several threads at once."""

    def __init__(self, home: Path, catalog_uri: str | None = None) -> None:
        """Open the lake under `home`, creating what is missing; the catalog is SQLite unless named."""
        home = home.resolve()  # the tables keep absolute paths
        sqlite = URL.create("sqlite", database=str(home / "catalog.db"))
        self.store = Store(catalog_uri or sqlite.render_as_string(), home / "warehouse")

    def head(self, table: str) -> Head:
        """Raises Unavailable when the catalog does not answer."""
        return _head(self.store.load(table))

    def reconnect(self) -> None:
        """Before reading the head after an unknown outcome: answer from a new connection only."""
        self.store.reconnect()

    def close(self) -> None:
        """Release the catalog's connections."""
        self.store.close()

    def commit(
        self,
        table: str,
        *,
        seq: int,
        rows: pa.Table,
        chain: str,
        counts: Tally,
        totals: Tally,
        step: Step = "commit",
    ) -> Committed:
        """Append the rows of plan `seq` and move `commit_seq` from `seq - 1` to `seq`, both or neither.

        Raises CommitGap when the table is further behind; Unavailable, NotDurable or BadInput before the
        swap: nothing of plan `seq` is in the table; CommitConflict when another writer was faster: the
        same; CommitUnknown when the swap's answer was lost: `reconnect`, then read `head`. A crash before
        the swap leaves files that no snapshot names, a crash after it a committed plan.
        """
        # 1. One read is both the check and the base that the swap is guarded by.
        base = self.store.load(table)
        try:
            if step == "commit":
                failpoints.hit("commit.loaded")
            if _behind(_head(base).commit_seq, seq, table):
                return Committed.ALREADY
            # 2. Data files, manifests and their list, each durable when closed.
            transaction = base.transaction()
            transaction.append(_exact(TABLES[table], rows), snapshot_properties={SNAPSHOT_SEQ: str(seq)})
        except OSError as error:
            raise NotDurable(
                "files of the commit could not be written", hint="check the disk", seq=seq
            ) from error
        # 3. The number, the chain and the counts ride on the same swap.
        transaction.set_properties(
            {COMMIT_SEQ: str(seq), CHAIN: chain, COUNTS: _dump(counts), TOTALS: _dump(totals)}
        )
        # 4. The swap.
        swap(transaction, swapped=f"{step}.swapped", staged=f"{step}.staged")
        return Committed.NOW

    def self_test(self) -> None:
        """Raises UnsafeStore when a stale commit would be accepted; the tables are not touched."""
        try:
            prove_guard(self.store)
        except SQLAlchemyError as error:
            raise Unavailable("the catalog does not answer", hint="check its disk") from error

    def check_history(self, table: str) -> Agreement:
        """Hold `commit_seq` to the newest snapshot behind the head that carries a number.

        Raises ChainBroken where they differ, as after a roll-back to an earlier snapshot.
        """
        loaded = self.store.load(table)
        seq, newest = _head(loaded).commit_seq, loaded.current_snapshot()
        behind = [] if newest is None else ancestors_of(newest, loaded.metadata)
        carried = next((found for each in behind if (found := _carried(each)) is not None), None)
        if carried is None and (seq or newest):
            return Agreement.UNKNOWN
        if (carried or 0) != seq:
            raise ChainBroken(
                "the table's head is not the commit its property names",
                hint="was the table rolled back? set its head to the snapshot of that commit",
                table=table,
                property=seq,
                snapshot=carried or 0,
            )
        return Agreement.AGREES


def _behind(found: int, seq: int, table: str) -> bool:
    """True when plan `seq` is in the table already; raises CommitGap when the one before it is not."""
    if found < seq - 1:
        raise CommitGap(
            "the table lacks plans before this one",
            hint="was the table restored from a backup? compare it with the control database",
            table=table,
            commit_seq=found,
            seq=seq,
        )
    return found >= seq


def _head(table: Table) -> Head:
    properties = table.properties
    return Head(
        commit_seq=int(properties.get(COMMIT_SEQ, "0")),
        chain=properties.get(CHAIN, ""),
        totals=json.loads(properties.get(TOTALS, "{}")),
        counts=json.loads(properties.get(COUNTS, "{}")),
        snapshot_id=table.metadata.current_snapshot_id,
    )


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


def _dump(tally: Tally) -> str:
    return json.dumps({channel: dict(outcomes) for channel, outcomes in tally.items()}, sort_keys=True)
