"""Purity shown: the recorded plans are decided again from log and raw, and compared with the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from actors.dedup.dedup import Dedup
from catalog.control.plans import Amendments, Plan
from catalog.tables import EVENTS
from pipelines import flow

ORDER = [("segment", "ascending"), ("offset", "ascending")]


class Redecision(NamedTuple):
    """How many rows were compared, and the ids of those that differ, are missing or too many."""

    ok: bool
    compared: int
    different: list[str]


def redecide(
    plans: Iterator[Plan],
    committed: Callable[[int], pa.Table],
    pure: Callable[[Plan, Amendments], pa.Table],
    memory: Dedup,
) -> Redecision:
    """Decide each plan again, in order. `committed` reads a plan's rows from the table, `memory` is empty.

    The amendments of a committed plan are its rows: what they say was unreadable or ended a process.
    """
    compared, different = 0, set[str]()
    for plan in plans:
        there = _ordered(committed(plan.n))
        judged, _ = memory.decide(plan.n, pure(plan, amendments_of(there)))
        again = _ordered(flow.rows(plan, judged))
        memory.promote(plan.n, plan.chain)
        compared += there.num_rows
        if not again.equals(there):
            different |= _differing(again, there)
    return Redecision(not different, compared, sorted(different))


def amendments_of(rows: pa.Table) -> Amendments:
    """The amendments that a plan's rows bear witness to."""
    verdicts = {
        reason: frozenset(
            (at["segment"], at["offset"])
            for at in rows.filter(pc.equal(rows["reason"], reason)).select(["segment", "offset"]).to_pylist()
        )
        for reason in ("frame_corrupt", "stage_crash")
    }
    return Amendments(verdicts["frame_corrupt"], verdicts["stage_crash"])


def _ordered(rows: pa.Table) -> pa.Table:
    return rows.select(EVENTS.arrow_schema.names).cast(EVENTS.arrow_schema).sort_by(ORDER).combine_chunks()


def _differing(again: pa.Table, there: pa.Table) -> set[str]:
    left = {row["event_id"]: row for row in again.to_pylist()}
    right = {row["event_id"]: row for row in there.to_pylist()}
    found = {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}
    # Equal as values, yet not as columns: rows are there twice, or nulls and types differ.
    return found or set(right)
