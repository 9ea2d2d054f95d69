"""The ports that the model gives a sequencer.

A port never touches the world. It asks, the scheduler decides when the call takes effect and with which of
its possible answers, and only then does the call return or raise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from benchmarks.faults.model_world import CHANNELS, FRAMES, SEGMENTS, Remembered, Row, Table, freeze, thaw
from catalog.control.plans import Amendments, Plan
from catalog.errors import CommitUnknown, MemoryBehind
from catalog.lake.commit import Head, is_committed
from catalog.log.port import Headers, Segment
from catalog.tables import ACCEPTED, EVENTS, QUARANTINED, REDELIVERED

Ask = Callable[..., Any]
"""Waits for the scheduler; gives the answer or raises it."""


class ModelLog:
    """See `catalog.log.port.Log`: what planning asks of it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def segments(self) -> list[Segment]:
        return list(self._ask("segments"))

    def headers(self, segment: str, start: int, stop: int, given_up: AbstractSet[int]) -> Headers:
        found = range(start, self._ask("scan", segment, start, stop - start))
        stamps = [100 * SEGMENTS.index(segment) + at for at in found]
        return Headers(
            start, [at + 1 for at in found], stamps, [CHANNELS[segment].encode()] * len(found), None
        )

    def recover(self, segment: str, given_up: AbstractSet[int] = frozenset()) -> Segment:
        found: Segment = self._ask("recover", segment)
        return found


class ModelPlans:
    """See `catalog.control.plans.PlanStore`; `book` finds a plan by its chain."""

    def __init__(self, ask: Ask, book: dict[str, Plan]) -> None:
        self._ask = ask
        self._book = book

    def last(self) -> int:
        return int(self._ask("last"))

    def chain(self, n: int) -> str | None:
        found: str | None = "" if n < 1 else self._ask("chain", n)
        return found

    def after(self, n: int, limit: int) -> list[Plan]:
        return [self._book[chain] for chain in self._ask("after", n, limit)]

    def insert(self, plan: Plan) -> None:
        self._book[plan.chain] = plan
        self._ask("insert", plan)

    def progress(self) -> dict[str, tuple[int, int]]:
        return dict(zip(SEGMENTS, self._ask("progress"), strict=True))

    def published(self, names: Collection[str]) -> set[str]:
        return set()

    def amend(self, segment: str, offset: int, event_id: str, reason: str, now_us: int) -> bool:
        return bool(self._ask("amend", segment, offset))

    def amendments(self, segments: Sequence[str] | None = None) -> Amendments:
        return Amendments(crashed=self._ask("amendments"))


class ModelLake:
    """See `catalog.lake.commit.Lake`. Until `reconnect`, a connection whose swap had no answer shows the
    swap as done, as a pooled connection does that reads its own uncommitted row."""

    def __init__(self, ask: Ask, unseen: tuple[tuple[str, Table], ...], checks: bool) -> None:
        self._ask = ask
        self._checks = checks
        self.unseen = dict(unseen)

    def self_test(self, _: int) -> None:
        """Always passed here."""

    def check_history(self, table: str) -> bool:
        """Always passed here."""
        return True

    def head(self, table: str) -> Head:
        return _head(self._load(table))

    def reconnect(self) -> None:
        self.unseen.clear()

    def commit(self, table: str, n: int, rows: tuple[Any, ...], before: str, chain: str, counts: Any) -> bool:
        base = self._load(table)
        if self._checks and is_committed(_head(base), table, n, before):
            return True
        try:
            self._ask("swap", table, base.swaps, n, chain, freeze(counts), rows)
        except CommitUnknown:
            self.unseen[table] = Table(n, chain, freeze(counts), base.rows + rows, base.swaps + 1)
            raise
        return False

    def read_back(self, first: int, last: int) -> Any:
        unseen = self.unseen.get(EVENTS.name)
        found = unseen.rows if unseen else self._ask("rows", first, last)
        return tuple(row for row in found if first <= row.plan <= last)

    def _load(self, table: str) -> Table:
        found: Table = self.unseen[table] if table in self.unseen else self._ask("head", table)
        return found


def _head(table: Table) -> Head:
    return Head(table.seq, table.chain, {}, thaw(table.counts))


class ModelPending(NamedTuple):
    """The rows of a plan as (segment, offset, event_id, disposition); a value, as all a sequencer holds."""

    rows: tuple[tuple[str, int, str, str], ...]

    def __call__(self) -> tuple[tuple[str, int, str, str], ...]:
        return self.rows


class ModelWorkers:
    """See `WorkersPort`."""

    def submit(self, plan: Plan, amendments: Amendments) -> ModelPending:
        return ModelPending(
            tuple(
                (
                    at.segment,
                    i,
                    FRAMES[at.segment][i],
                    QUARANTINED if (at.segment, i) in amendments.crashed else ACCEPTED,
                )
                for at in plan.ranges
                for i in range(at.start, at.stop)
            )
        )

    def poisonous(self, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]:
        first = plan.ranges[0]
        if (first.segment, first.start) in amendments.crashed:
            return []
        return [(first.segment, first.start, FRAMES[first.segment][first.start])]


class ModelMemory:
    """See `MemoryPort`, and `actors.dedup.dedup.Dedup`, whose contract this keeps for ids alone.

    Any call may find that the memory was restarted before it, standing at its checkpoint again.
    """

    def __init__(
        self, ask: Ask, known: Remembered, pending: tuple[int, frozenset[tuple[str, str]]] | None
    ) -> None:
        self._ask = ask
        self.known = known
        self.pending = pending

    def decide(self, n: int, batch: Any) -> tuple[Any, dict[str, int]]:
        self._call("decide", n)
        self.pending = None
        if self.known.seq != n - 1:
            raise MemoryBehind("behind", have=self.known.seq, need=n - 1)
        ids = {event_id for event_id, _ in self.known.entries}
        rows, redelivered = [], Counter[str]()
        for segment, offset, event_id, disposition in sorted(batch):
            if event_id in ids:
                redelivered[CHANNELS[segment]] += 1
            else:
                ids.add(event_id)
                rows.append(Row(n, segment, offset, event_id, disposition))
        self.pending = (n, frozenset((row.event_id, row.disposition) for row in rows))
        return tuple(rows), dict(redelivered)

    def drop(self, n: int) -> None:
        if self.pending is not None and self.pending[0] >= n:
            self.pending = None

    def promote(self, n: int, chain: str) -> None:
        self._call("promote", n)
        if (self.known.seq, self.known.chain) == (n, chain):
            return
        if self.known.seq != n - 1 or self.pending is None or self.pending[0] != n:
            raise MemoryBehind("behind", have=self.known.seq, need=n)
        self.known = Remembered(n, chain, self.known.entries | self.pending[1])
        self.pending = None

    def checkpoint(self) -> None:
        self._call("checkpoint", self.known)

    def position(self) -> tuple[int, str]:
        self._call("position")
        return self.known.seq, self.known.chain

    def reset(self) -> None:
        self.known, self.pending = Remembered(), None
        self._call("reset", self.known)

    def catch_up(self, rows: Any, after: int, seq: int, chain: str) -> None:
        self._call("catch_up", after, seq)
        if self.known.seq != after:
            raise MemoryBehind("not there", have=self.known.seq, need=after)
        news = frozenset((row.event_id, row.disposition) for row in rows if self.known.seq < row.plan <= seq)
        self.known, self.pending = Remembered(seq, chain, self.known.entries | news), None

    def _call(self, name: str, *args: Any) -> None:
        restarted = self._ask(f"memory.{name}", *args)
        if restarted is not None:
            self.known, self.pending = restarted, None


def count(plan: Plan, judged: tuple[Row, ...], redelivered: dict[str, int]) -> dict[str, dict[str, int]]:
    """See `pipelines.flow.counts`."""
    found = Counter((CHANNELS[row.segment], row.disposition) for row in judged)
    return {
        channel: {
            "received": received,
            ACCEPTED: found[channel, ACCEPTED],
            QUARANTINED: found[channel, QUARANTINED],
            REDELIVERED: redelivered.get(channel, 0),
        }
        for channel, received in sorted(plan.received.items())
    }


def ledger_rows(plan: Plan, counts: dict[str, dict[str, int]]) -> tuple[Any, ...]:
    """See `pipelines.flow.ledger`: (plan, tally)."""
    return ((plan.n, freeze(counts)),)
