"""Commits one by one, for whoever follows them: when each was, and its counts as `ops.ledger` has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from catalog.clock import EPOCH
from catalog.lake.commit import Lake
from catalog.lake.read import rows
from catalog.lake.swap import SNAPSHOT_SEQ, TURN
from catalog.tables import EVENTS, LEDGER, OUTCOMES

COUNTED = ("received", *OUTCOMES)


class Commit(NamedTuple):
    """One commit of events whose counts are in the ledger."""

    commit_seq: int
    committed_at: datetime | None
    """None once the table has forgotten that snapshot, as it does with all but the newest."""
    counts: dict[str, dict[str, int]]
    """By channel: `received`, and each outcome."""


def ledger_location(lake: Lake) -> str:
    """Where the ledger's metadata is: after each commit another place. Cheap. Raises Unavailable."""
    return lake.store.locations((LEDGER.name,))[LEDGER.name]


def counted_to(lake: Lake) -> int:
    """The last commit whose counts are in the ledger: SQL gives them. Raises Unavailable."""
    return lake.head(LEDGER.name).commit_seq


def commits(lake: Lake, after: int, upto: int) -> list[Commit]:
    """The commits behind `after`, up to one that is counted, in order, without a gap. Raises Unavailable."""
    found = {n: Commit(n, None, {}) for n in range(after + 1, upto + 1)}
    if not found:
        return []
    for row in rows(lake, LEDGER.name, after + 1, upto).to_pylist():
        found[row["plan"]].counts[row["channel"]] = {name: row[name] for name in COUNTED}
    times = _times(lake)
    return [each._replace(committed_at=times.get(n)) for n, each in found.items()]


def _times(lake: Lake) -> dict[int, datetime]:
    """When each commit was that the table remembers."""
    found: dict[int, datetime] = {}
    for snapshot in lake.store.load(EVENTS.name).metadata.snapshots:
        said = {} if snapshot.summary is None else snapshot.summary.additional_properties
        if SNAPSHOT_SEQ in said and TURN not in said:
            found[int(said[SNAPSHOT_SEQ])] = EPOCH + timedelta(milliseconds=snapshot.timestamp_ms)
    return found
