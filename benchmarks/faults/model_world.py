"""The world of the model: every store as one immutable value, and what each call may do to it.

A call has one effect, or several where an answer may be lost or a worker may die: then the scheduler
explores them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from catalog.control.plans import Plan, Range
from catalog.errors import (
    BeejanError,
    CommitConflict,
    CommitUnknown,
    PlanTaken,
    SegmentLocked,
    Unavailable,
    WorkerDied,
)
from catalog.log.port import Segment
from catalog.tables import EVENTS, LEDGER

SEGMENTS = ("s1", "s2")
CHANNELS = {"s1": "sms", "s2": "web"}
FRAMES = {"s1": ("a", "a"), "s2": ("a", "b")}
"""Event ids by offset: `a` comes again inside plan 1 and in plan 2; the last frame of s2 is written late."""

Tally = tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


class Row(NamedTuple):
    """One row of the events."""

    plan: int
    segment: str
    offset: int
    event_id: str
    disposition: str


class Table(NamedTuple):
    """A table as its catalog names it; `swaps` counts the commits that took effect."""

    seq: int = 0
    chain: str = ""
    counts: Tally = ()
    rows: tuple[Any, ...] = ()
    swaps: int = 0


class Remembered(NamedTuple):
    """What a memory of ids holds of plans 1 to `seq`: (event_id, disposition) pairs."""

    seq: int = 0
    chain: str = ""
    entries: frozenset[tuple[str, str]] = frozenset()


class World(NamedTuple):
    """Everything that outlives a process, and how many faults are still to come."""

    written: tuple[int, ...]
    """Durable frames of each segment."""
    sealed: tuple[bool, ...]
    writer_lives: bool
    chains: tuple[str, ...] = ()
    """The chain of each plan, which names it."""
    planned: tuple[tuple[int, int], ...] = ((0, 0),) * len(SEGMENTS)
    """(planned_to, last plan) of each segment."""
    amended: frozenset[tuple[str, int]] = frozenset()
    events: Table = Table()
    ledger: Table = Table()
    saved: tuple[Remembered, ...] = ()
    """The checkpoint of each sequencer's memory."""
    crashes: int = 0
    unknowns: int = 0
    deaths: int = 0
    restarts: int = 0


class Raised(NamedTuple):
    """An answer that is an error."""

    error: type[BeejanError]


def freeze(counts: dict[str, dict[str, int]]) -> Tally:
    """A tally as a value."""
    return tuple(sorted((channel, tuple(sorted(row.items()))) for channel, row in counts.items()))


def thaw(counts: Tally) -> dict[str, dict[str, int]]:
    """The inverse of `freeze`."""
    return {channel: dict(row) for channel, row in counts}


FIELDS = {EVENTS.name: "events", LEDGER.name: "ledger"}


class Rules(NamedTuple):
    """What the stores promise; a mutant takes one promise away."""

    plans_have_a_key: bool = True
    """Plan n, and each frame, can be planned once."""
    swap_is_guarded: bool = True
    """A swap from a stale base is refused."""
    commit_checks_seq: bool = True
    """The lake looks at the table's `commit_seq` before it appends."""


class Scenario(NamedTuple):
    """Who takes part, and how many faults of each kind one run may meet."""

    name: str
    crashes: int = 0
    unknowns: int = 0
    """Lost answers of the catalog or the control database, whose call happened or did not."""
    deaths: int = 0
    """Workers that die over a plan and have its first event blamed for it."""
    restarts: int = 0
    """Memories that start again alone, at their checkpoint."""
    writer: bool = False
    sequencers: int = 2


class Call(NamedTuple):
    """A port call that waits to take effect."""

    name: str
    args: tuple[Any, ...]


class Effect(NamedTuple):
    """One way a call may go: how to tell it, the world after it, the answer."""

    told: str
    world: World
    answer: Any


def is_at_once(world: World, call: Call) -> bool:
    """True when this call commutes with whatever the others may do before it: its answer can no longer
    change, or nobody else sees its effect. Then no interleaving and no crash before it makes a difference,
    and it takes effect together with the call before.
    """
    if call.name.startswith("memory."):
        durable = call.name in ("memory.checkpoint", "memory.reset")
        return not (
            world.restarts or (durable and world.crashes) or (call.name == "memory.decide" and world.deaths)
        )
    settled: Any = SETTLED.get(call.name)
    return settled is not None and bool(settled(world, *call.args))


def _no_more_plans(world: World) -> bool:
    ends = world.written if not world.writer_lives else tuple(len(FRAMES[name]) for name in SEGMENTS)
    return all(to == end for (to, _), end in zip(world.planned, ends, strict=True))


def _no_more_commits(world: World, table: str) -> bool:
    return _no_more_plans(world) and getattr(world, FIELDS[table]).seq == len(world.chains)


def _taken(world: World, plan: Plan) -> bool:
    planned = dict(zip(SEGMENTS, world.planned, strict=True))
    return plan.n <= len(world.chains) or any(planned[cut.segment][0] != cut.start for cut in plan.ranges)


SETTLED = {
    # Committed rows stay. An amendment commutes with all that stands between it and the read before.
    "rows": lambda world, first, last: True,
    "amendments": lambda world: True,
    "chain": lambda world, n: n <= len(world.chains),
    "after": lambda world, n, limit: n + limit <= len(world.chains) or _no_more_plans(world),
    "last": _no_more_plans,
    "progress": _no_more_plans,
    "head": _no_more_commits,
    "scan": lambda world, name, start, frames: start + frames <= world.written[SEGMENTS.index(name)],
    "segments": lambda world: all(world.sealed),
    "recover": lambda world, name: world.sealed[SEGMENTS.index(name)],
    "insert": _taken,
    "swap": lambda world, table, base, *_: getattr(world, FIELDS[table]).swaps != base and not world.unknowns,
    "amend": lambda world, segment, offset: (segment, offset) in world.amended and not world.unknowns,
}
"""When the answer of a call can no longer change."""


class Stores:
    """The effects of every call, under `rules`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def effects(self, world: World, who: int, call: Call) -> Iterator[Effect]:
        """Every way in which this call of sequencer `who` may go in this world."""
        if call.name.startswith("memory."):
            return self._memory(world, who, call)
        step: Any = getattr(self, f"_{call.name}")
        found: Iterator[Effect] = step(world, *call.args)
        return found

    def _segments(self, world: World) -> Iterator[Effect]:
        listed = (Segment(name, 0, world.written[i], world.sealed[i]) for i, name in enumerate(SEGMENTS))
        yield Effect("", world, tuple(listed))

    def _scan(self, world: World, segment: str, start: int, frames: int) -> Iterator[Effect]:
        yield Effect("", world, max(start, min(start + frames, world.written[SEGMENTS.index(segment)])))

    def _recover(self, world: World, segment: str) -> Iterator[Effect]:
        at = SEGMENTS.index(segment)
        if world.writer_lives and not world.sealed[at]:
            yield Effect("its writer lives", world, Raised(SegmentLocked))
            return
        sealed = tuple(old or i == at for i, old in enumerate(world.sealed))
        yield Effect("", world._replace(sealed=sealed), Segment(segment, 0, world.written[at], True))

    def _last(self, world: World) -> Iterator[Effect]:
        yield Effect("", world, len(world.chains))

    def _chain(self, world: World, n: int) -> Iterator[Effect]:
        yield Effect("", world, world.chains[n - 1] if n <= len(world.chains) else None)

    def _after(self, world: World, n: int, limit: int) -> Iterator[Effect]:
        yield Effect("", world, world.chains[n : n + limit])

    def _progress(self, world: World) -> Iterator[Effect]:
        yield Effect("", world, world.planned)

    def _insert(self, world: World, plan: Plan) -> Iterator[Effect]:
        if _taken(world, plan) and self._rules.plans_have_a_key:
            yield Effect("taken", world, Raised(PlanTaken))
            return
        moved = {cut.segment: (cut.stop, plan.n) for cut in plan.ranges}
        planned = tuple(moved.get(name, old) for name, old in zip(SEGMENTS, world.planned, strict=True))
        chains = (*world.chains[: plan.n - 1], plan.chain, *world.chains[plan.n :])
        yield from _uncertain(world, world._replace(chains=chains, planned=planned), Unavailable, None)

    def _amend(self, world: World, segment: str, offset: int) -> Iterator[Effect]:
        after = world._replace(amended=world.amended | {(segment, offset)})
        yield from _uncertain(world, after, Unavailable, after != world)

    def _amendments(self, world: World) -> Iterator[Effect]:
        yield Effect("", world, world.amended)

    def _head(self, world: World, table: str) -> Iterator[Effect]:
        yield Effect("", world, getattr(world, FIELDS[table])._replace(rows=()))

    def _swap(
        self, world: World, table: str, base: int, seq: int, chain: str, counts: Tally, rows: tuple[Any, ...]
    ) -> Iterator[Effect]:
        now: Table = getattr(world, FIELDS[table])
        if now.swaps != base and self._rules.swap_is_guarded:
            yield Effect("stale", world, Raised(CommitConflict))
            if world.unknowns:
                yield Effect("stale, answer lost", _spent(world), Raised(CommitUnknown))
            return
        after = Table(seq, chain, counts, now.rows + rows, now.swaps + 1)
        yield from _uncertain(world, _with(world, table, after), CommitUnknown, None)

    def _rows(self, world: World, first: int, last: int) -> Iterator[Effect]:
        yield Effect("", world, tuple(row for row in world.events.rows if first <= row.plan <= last))

    def _memory(self, world: World, who: int, call: Call) -> Iterator[Effect]:
        after = world
        if call.name in ("memory.checkpoint", "memory.reset"):
            saved = (call.args[0] if i == who else old for i, old in enumerate(world.saved))
            after = world._replace(saved=tuple(saved))
        yield Effect("", after, None)
        if call.name == "memory.decide" and world.deaths:
            yield Effect("the worker died", world._replace(deaths=world.deaths - 1), Raised(WorkerDied))
        if world.restarts and call.name != "memory.reset":
            restarted = world._replace(restarts=world.restarts - 1)
            yield Effect("the memory was restarted", restarted, restarted.saved[who])


def _with(world: World, table: str, after: Table) -> World:
    return world._replace(events=after) if table == EVENTS.name else world._replace(ledger=after)


def _spent(world: World) -> World:
    return world._replace(unknowns=world.unknowns - 1)


def _uncertain(before: World, after: World, lost: type[BeejanError], answer: Any) -> Iterator[Effect]:
    """Done; or, while answers may still be lost: done or not done, and nobody knows."""
    yield Effect("done", after, answer)
    if before.unknowns:
        yield Effect("done, answer lost", _spent(after), Raised(lost))
        yield Effect("not done, answer lost", _spent(before), Raised(lost))


def env_moves(world: World) -> Iterator[tuple[str, World]]:
    """What the writer, which may stop for any time between two steps, does next."""
    late = SEGMENTS[-1]
    if world.writer_lives:
        if world.written[-1] < len(FRAMES[late]):
            yield (
                "the writer acknowledges one more frame",
                world._replace(written=(*world.written[:-1], world.written[-1] + 1)),
            )
        yield "the writer dies", world._replace(writer_lives=False)


def has_work(world: World, commit_seq: int) -> bool:
    """True when a sequencer that stands at `commit_seq` would find something to do."""
    unplanned = any(to < end for (to, _), end in zip(world.planned, world.written, strict=True))
    unsealed = not world.writer_lives and not all(world.sealed)
    return unplanned or unsealed or len(world.chains) > commit_seq


def first_world(scenario: Scenario) -> World:
    """Two segments. With a writer, the second one's has acknowledged one frame of two, and lives."""
    return World(
        written=(2, 1) if scenario.writer else (2, 2),
        sealed=(True, not scenario.writer),
        writer_lives=scenario.writer,
        saved=(Remembered(),) * scenario.sequencers,
        crashes=scenario.crashes,
        unknowns=scenario.unknowns,
        deaths=scenario.deaths,
        restarts=scenario.restarts,
    )


def planned_frames(plan: Plan) -> list[tuple[str, int]]:
    """(segment, offset) of every frame of a plan."""

    def frames(cut: Range) -> list[tuple[str, int]]:
        return [(cut.segment, i) for i in range(cut.start, cut.stop)]

    return [frame for cut in plan.ranges for frame in frames(cut)]
