"""What must hold in every state of the model, and what when nobody has anything left to do."""

from __future__ import annotations

from collections import Counter

from benchmarks.faults.model_world import (
    CHANNELS,
    FRAMES,
    SEGMENTS,
    Remembered,
    Row,
    World,
    freeze,
    planned_frames,
    thaw,
)
from catalog.control.plans import Plan
from catalog.tables import REDELIVERED


def broken(world: World, plans: dict[str, Plan]) -> str | None:
    """The invariant of the stores that this world breaks, if any."""
    events, ledger = world.events, world.ledger
    for name, table in (("events", events), ("ledger", ledger)):
        if table.seq != table.swaps:
            return f"{name}: commit_seq is {table.seq} after {table.swaps} commits that took effect"
        if table.seq > len(world.chains) or table.chain != ("", *world.chains)[table.seq]:
            return f"{name}: the chain is not that of plan {table.seq}"
    if not events.seq - 1 <= ledger.seq <= events.seq:
        return f"the ledger stands at {ledger.seq}, the events at {events.seq}"
    ids = Counter(row.event_id for row in events.rows)
    if twice := [event_id for event_id, rows in ids.items() if rows > 1]:
        return f"event {twice[0]} has {ids[twice[0]]} rows"
    for row in events.rows:
        if (row.segment, row.offset) not in planned_frames(plans[world.chains[row.plan - 1]]):
            return f"a row of plan {row.plan} is of a frame that this plan does not have"
    for saved in world.saved:
        if trouble := wrong_memory(world, saved):
            return f"checkpoint: {trouble}"
    return None


def wrong_memory(world: World, known: Remembered) -> str | None:
    """How a memory differs from the rows of the plans that it claims to know."""
    if known.seq > world.events.seq:
        return f"the memory knows plan {known.seq}, which is not committed"
    if known.chain != ("", *world.chains)[known.seq]:
        return f"the memory's chain is not that of plan {known.seq}"
    if known.entries != _entries(world, known.seq):
        return f"the memory of plans 1 to {known.seq} differs from their rows"
    return None


def unfinished(world: World, plans: dict[str, Plan]) -> str | None:
    """What is lost, doubled or miscounted in a world in which nobody has anything left to do."""
    planned = [frame for chain in world.chains for frame in planned_frames(plans[chain])]
    durable = [(name, i) for name, end in zip(SEGMENTS, world.written, strict=True) for i in range(end)]
    if sorted(planned) != durable:
        return "a durable frame is in no plan, or in two"
    if planned != durable:  # the first segment was durable before the second one began
        return "a frame is planned before one that was acknowledged earlier"
    if world.events.seq != len(world.chains) or world.ledger.seq != len(world.chains):
        return "a plan is not committed and counted"
    if {row.event_id for row in world.events.rows} != {FRAMES[name][i] for name, i in durable}:
        return "an acknowledged event has no row"
    ledger = dict(world.ledger.rows)
    if len(ledger) != len(world.ledger.rows) or sorted(ledger) != list(range(1, len(world.chains) + 1)):
        return "the ledger does not have each plan once"
    for n, chain in enumerate(world.chains, 1):
        if ledger[n] != _counted(plans[chain], [row for row in world.events.rows if row.plan == n]):
            return f"the ledger of plan {n} does not say what became of its frames"
    return None


def _entries(world: World, upto: int) -> frozenset[tuple[str, str]]:
    return frozenset((row.event_id, row.disposition) for row in world.events.rows if row.plan <= upto)


def _counted(plan: Plan, rows: list[Row]) -> object:
    """What the ledger must say: counted from the rows; the frames without one were redelivered."""
    found: dict[str, dict[str, int]] = {}
    for channel, received in plan.received.items():
        outcomes = Counter(row.disposition for row in rows if CHANNELS[row.segment] == channel)
        found[channel] = {
            "received": received,
            "accepted": outcomes["accepted"],
            "quarantined": outcomes["quarantined"],
            REDELIVERED: received - outcomes.total(),
        }
    return freeze(thaw(freeze(found)))
