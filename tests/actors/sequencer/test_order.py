"""Acknowledged first, planned first: random histories of writers, deaths, backlogs and looks in between.

A history moves in single steps, also while the planner reads the ends of segments one after the other. Of two
events of one source the one that was acknowledged before the other was received is planned first.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.sequencer.config import SequencerConfig
from actors.sequencer.planning import Planner
from catalog.control.plans import PlanStore
from catalog.control.schema import open_control, sqlite_url
from catalog.log.frames import encode_body
from catalog.log.live import LiveSegment
from catalog.log.local import LocalLog
from catalog.log.reader import Opened
from catalog.log.writer import Rolling, WriterConfig
from tests.catalog.log.builders import envelope

CONFIG = SequencerConfig("b", "c", plan_rows=12, plan_age_s=0.0, ahead=1, checkpoint_plans=1)
SEGMENTS = WriterConfig(segment_bytes=3_000, segment_age_s=1e9, min_free_bytes=0)
SOURCES = ("gateway", "portal", "desk")
HISTORIES, STEPS, MEANWHILE = 12, 100, 40


class Ticking:
    """Every look at it is a later microsecond."""

    def __init__(self) -> None:
        self.us = 1_700_000_000_000_000

    def now_us(self) -> int:
        self.us += 1
        return self.us

    def elapsed_s(self) -> float:
        return self.us / 1e6


@dataclass
class Event:
    """What a sender knows of one event; `acknowledged_us` is 0 without a 202."""

    source: str
    received_us: int
    acknowledged_us: int = 0


@dataclass
class Replica:
    """One writer, and what it has received and not flushed."""

    sink: Rolling
    queued: list[Event] = field(default_factory=list)


class WatchedLog(LocalLog):
    """The log on disk; `between` happens before each segment that is opened, as another process might act."""

    between: Callable[[], None] = staticmethod(lambda: None)

    @contextmanager
    def _open(self, segment: str) -> Iterator[Opened]:
        self.between()
        with super()._open(segment) as opened:
            yield opened


class History:
    """Writers on one log, a planner, and every event by the number in its payload."""

    def __init__(self, root: Path, plans: PlanStore, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = Ticking()
        self.log = WatchedLog(root, self.clock)
        self.log.between = self._maybe_write  # type: ignore[method-assign]
        self.events: list[Event] = []
        self.first_plan, self._meanwhile = plans.last(), 0
        self._root, self._plans = root, plans
        self._replicas = [self._replica() for _ in range(self.rng.randint(1, 4))]

    def _replica(self) -> Replica:
        begin = lambda: LiveSegment(self._root, self.clock)  # noqa: E731
        return Replica(Rolling(begin, lambda: None, self.clock, SEGMENTS))

    def _maybe_write(self) -> None:
        while self._meanwhile and self.rng.random() < 0.5:
            self._meanwhile -= 1
            self.write()

    def write(self) -> None:
        """A replica receives an event, flushes what it has, or dies and is replaced."""
        replica, pick = self.rng.choice(self._replicas), self.rng.random()
        if pick < 0.55:
            event = Event(self.rng.choice(SOURCES), self.clock.now_us())
            self.events.append(event)
            replica.queued.append(event)
        elif pick < 0.97:
            if replica.queued:
                replica.sink.flush([self._body(event) for event in replica.queued])
                for event in replica.queued:
                    event.acknowledged_us = self.clock.now_us()
                replica.queued = []
        else:
            if replica.sink._segment is not None:
                replica.sink._segment.abandon()  # as the kernel does for a process that dies
            self._replicas[self._replicas.index(replica)] = self._replica()

    def _body(self, event: Event) -> bytes:
        number = self.events.index(event)
        sent = envelope(number, payload=b"%d" % number)
        return encode_body(replace(sent, source=event.source, received_us=event.received_us))

    def plan(self, drain: bool) -> None:
        """A turn of a sequencer that has only just started, up to a few plans of backlog."""
        self._meanwhile = 0 if drain else MEANWHILE
        planner = Planner(CONFIG, self.log, self._plans, self.clock, {})
        planner.recover()
        while planner.plan(self._plans.last() + 1, drain) and (drain or self.rng.random() < 0.3):
            pass

    def planned(self) -> list[int]:
        """The numbers of all events, in the order of plans and ranges."""
        found: list[int] = []
        for plan in self._plans.after(self.first_plan, 1_000_000):
            for cut in plan.ranges:
                frames = self.log.read(cut.segment, cut.start, cut.stop)
                assert len(frames) == cut.frames
                found += [int(at.envelope.payload) for at in frames if at.envelope is not None]
        return found


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanStore:
    """Nothing here is about power cuts, so nothing waits for a disk."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    return PlanStore(open_control(sqlite_url(tmp_path / "control.db")))


def test_of_one_source_the_event_acknowledged_first_is_planned_first(
    plans: PlanStore, tmp_path: Path
) -> None:
    for seed in range(HISTORIES):
        history = History(tmp_path / str(seed), plans, seed)
        for _ in range(STEPS):
            history.write()
            if history.rng.random() < 0.05:
                history.plan(drain=False)
        history.plan(drain=True)
        order = history.planned()
        assert len(order) == len(set(order))
        assert set(order) >= {n for n, event in enumerate(history.events) if event.acknowledged_us}
        latest = dict.fromkeys(SOURCES, 0)
        for number in order:
            event = history.events[number]
            acknowledged_us = event.acknowledged_us or history.clock.us
            assert acknowledged_us > latest[event.source], (
                f"seed {seed}: a later event of its source was first"
            )
            latest[event.source] = max(latest[event.source], event.received_us)


def replicas(root: Path, clock: Ticking, numbers: range) -> list[Rolling]:
    """Two writers that have flushed these events in turn, the one whose segment is listed first in front."""
    sinks = [Rolling(lambda: LiveSegment(root, clock), lambda: None, clock, SEGMENTS) for _ in "ab"]
    for number in numbers:
        flush(sinks[number % 2], clock, number)
    return sorted(sinks, key=lambda sink: sink._segment.name if sink._segment else "")


def flush(sink: Rolling, clock: Ticking, number: int) -> None:
    sent = envelope(number, payload=b"%d" % number)
    sink.flush([encode_body(replace(sent, received_us=clock.now_us()))])


def test_a_plan_may_go_to_and_fro_between_segments(plans: PlanStore, tmp_path: Path) -> None:
    clock = Ticking()
    log = LocalLog(tmp_path / "log", clock)
    replicas(tmp_path / "log", clock, range(6))
    planner = Planner(CONFIG, log, plans, clock, {})
    assert planner.plan(1, drain=True)
    assert not planner.plan(2, drain=True)
    (plan,) = plans.after(0, 9)
    assert [cut.frames for cut in plan.ranges] == [1] * 6
    assert set(plans.progress()) == {cut.segment for cut in plan.ranges}
    assert [plans.progress()[at.name][0] for at in log.segments()] == [at.end for at in log.segments()]


@pytest.mark.parametrize("look", [1, 2])
def test_what_comes_while_the_ends_are_read_comes_in_order(
    plans: PlanStore, tmp_path: Path, look: int
) -> None:
    """Behind the reader's back event 2 is acknowledged in the segment it has read, then event 3 before its
    eyes."""
    clock, opened = Ticking(), 0
    log = WatchedLog(tmp_path / "log", clock)
    read, unread = replicas(tmp_path / "log", clock, range(2))

    def between() -> None:
        nonlocal opened
        opened += 1
        if opened == 2 * look:
            flush(read, clock, 2)
            flush(unread, clock, 3)

    log.between = between  # type: ignore[method-assign]
    planner, n = Planner(CONFIG, log, plans, clock, {}), 1
    while planner.plan(n, drain=True):
        n += 1
    history = [
        int(at.envelope.payload)
        for plan in plans.after(0, n)
        for cut in plan.ranges
        for at in log.read(cut.segment, cut.start, cut.stop)
        if at.envelope is not None
    ]
    assert history == [0, 1, 2, 3]
