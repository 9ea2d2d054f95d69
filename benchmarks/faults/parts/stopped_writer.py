"""A writer that is stopped in the middle of a group keeps its segment, and what it says is true.

While it is stopped nobody takes over, and what it published is planned and committed. Woken, everything it
acknowledges is in the log; killed instead, its segment is recovered and no acknowledged event is missing.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from catalog.errors import SegmentLocked
from cluster.checks import verify_home
from cluster.settings import Settings
from cluster.wiring import open_log, open_stores

POINTS = ("log.written", "log.synced", "log.published")
TIMES = 10
CHUNK = 40
REFUSALS = 100


def trials(seed: int) -> Iterator[Trial]:
    """Each point, the writer woken and killed in turn."""
    rng = random.Random(seed)
    for n, point in itertools.product(range(2 * TIMES), POINTS):
        hit = rng.randint(1, 8)
        yield {"point": point, "hit": hit, "wakes": n % 2 == 0, "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """Stop a writer, try to take over, commit what is durable, and let the writer go on or end."""
    settings = workload.settings(folder / "home")
    lines, receipts = workload.lines(trial["seed"], CHUNK), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts)
    findings: list[str] = []
    with process.Child(
        folder, partial(send, range(CHUNK)), f"{trial['point']}:stop@{trial['hit']}"
    ) as writer:
        if (ended := writer.wait()) != process.STOPPED:
            return Outcome([f"the writer did not stop: {ended}"], {}, {})
        for work in (partial(besiege, settings), partial(process.run, settings), partial(settled, settings)):
            findings += _told(folder, work)
        if trial["wakes"]:
            writer.wake()
            if ended := writer.wait():
                findings.append(f"the writer woke and ended with {ended}")
        else:
            writer.kill()
    if trial["wakes"] and len(workload.acknowledged(receipts)) != CHUNK:
        findings.append("the writer woke and did not acknowledge everything")
    rest = workload.unacknowledged(receipts, CHUNK)
    if code := process.carry_out(folder, partial(send, rest)):
        findings.append(f"sending ended with {code}")
    verdict = check.settle(folder, settings, lines, receipts)
    return Outcome(findings + verdict.findings, {trial["point"]: 1}, dict(verdict.facts))


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Every point stopped a writer as often as meant."""
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    return [f"{point} stopped {hits[point]} writers" for point in POINTS if hits[point] < 2 * TIMES]


def besiege(settings: Settings) -> list[str]:
    """Try to take the living writer's segment, again and again."""
    log, _ = open_log(settings)
    live = [segment for segment in log.segments() if not segment.sealed]
    taken = 0
    for segment, _ in itertools.product(live, range(REFUSALS)):
        try:
            log.recover(segment.name)
            taken += 1
        except SegmentLocked:
            continue
    found = [f"a living writer lost its segment {taken} times"] if taken else []
    return found if len(live) == 1 else [*found, f"{len(live)} live segments, not one"]


def settled(settings: Settings) -> list[str]:
    """What the stopped writer published is committed, every frame of it."""
    report = verify_home(open_stores(settings))
    return [] if report.ok and not report.pending else [f"while a writer is stopped: {report}"[:500]]


def _told(folder: Path, work: partial[Any]) -> list[str]:
    with process.Child(folder, work) as child:
        if code := child.wait():
            return [f"while the writer was stopped, {work.func.__name__} ended with {code}"]
        return list(child.result or [])
