"""How far things are, read from what is durable: no running process is asked."""

from __future__ import annotations

from typing import NamedTuple

from catalog.control.plans import PlanStore
from catalog.lake.head import Head
from catalog.log.port import Log
from catalog.log.reader import corrupt
from catalog.tables import OUTCOMES

SCAN_FRAMES = 1 << 40
COUNTED = ("received", *OUTCOMES)


class Halt(NamedTuple):
    """Something that waits for a person: what, where if it is one frame, and what to do."""

    reason: str
    segment: str | None
    offset: int | None
    hint: str


class Status(NamedTuple):
    """`planned` is the last plan; `backlog_events` are durable and not committed; `oldest_unplanned_s` is
    the age of the oldest event that no plan has cut, None when there is none."""

    commit_seq: int
    planned: int
    backlog_events: int
    oldest_unplanned_s: float | None
    stopped: list[Halt]


class Ledger(NamedTuple):
    """Received and outcomes, in all and by channel; `balanced` when three sources agree."""

    commit_seq: int
    balanced: bool
    total: dict[str, int]
    by_channel: dict[str, dict[str, int]]


def status(log: Log, plans: PlanStore, head: Head, now_us: int) -> Status:
    """Counts the backlog by scanning what no plan has cut."""
    progress = plans.progress()
    backlog, oldest_us, stopped = 0, None, list[Halt]()
    for segment in log.segments():
        planned_to = progress.get(segment.name, (segment.start, 0))[0]
        given_up = plans.amendments([segment.name]).given_up(segment.name)
        try:
            # What is planned too: it waits to be decided or published, and its damage stops that.
            before = log.scan(segment.name, segment.start, SCAN_FRAMES, given_up)
            scan = log.scan(segment.name, planned_to, SCAN_FRAMES, given_up)
            stop = log.scan(segment.name, planned_to, 1, given_up).stop
            first = log.read(segment.name, planned_to, stop, given_up)
        except LookupError:
            continue  # published meanwhile
        backlog += scan.frames
        times = [at.envelope.received_us for at in first if at.envelope is not None]
        oldest_us = min([*times, *([] if oldest_us is None else [oldest_us])], default=None)
        corrupt_at = scan.corrupt_at if before.corrupt_at is None else before.corrupt_at
        if corrupt_at is not None:
            damage = corrupt(segment.name, corrupt_at)
            stopped.append(Halt(damage.message, segment.name, corrupt_at, damage.hint))
    last = plans.last()
    waiting = plans.after(head.commit_seq, max(last - head.commit_seq, 1))
    backlog += sum(plan.frames for plan in waiting)
    if plans.chain(head.commit_seq) != head.chain:
        stopped.append(
            Halt(
                "the control database and the table tell different histories",
                None,
                None,
                "bring back control.db, catalog.db and warehouse/ of the same moment",
            )
        )
    age_s = None if oldest_us is None else round(max(0, now_us - oldest_us) / 1e6, 3)
    return Status(head.commit_seq, last, backlog, age_s, stopped)


def ledger(head: Head, recorded: dict[str, dict[str, int]], rows: dict[str, dict[str, int]]) -> Ledger:
    """Hold three counts against each other: the table's running totals, the sums of `ops.ledger`
    (`recorded`), and the rows of `structured.events` by channel and disposition (`rows`)."""
    channels = sorted({*head.totals, *recorded, *rows})
    by_channel = {
        channel: {column: recorded.get(channel, {}).get(column, 0) for column in COUNTED}
        for channel in channels
    }
    total = {column: sum(counted[column] for counted in by_channel.values()) for column in COUNTED}
    balanced = all(
        counted["received"] == sum(counted[outcome] for outcome in OUTCOMES)
        and counted == {column: head.totals.get(channel, {}).get(column, 0) for column in COUNTED}
        and all(counted[kind] == rows.get(channel, {}).get(kind, 0) for kind in OUTCOMES[:-1])
        for channel, counted in by_channel.items()
    )
    return Ledger(head.commit_seq, balanced, total, by_channel)
