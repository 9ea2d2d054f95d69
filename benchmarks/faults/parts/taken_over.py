"""In an object store a stopped writer's segment is taken over; woken, what it acknowledges is true.

Nobody can tell a stopped writer from a dead one there: while it is stopped the product takes its segment
over, commits, publishes and deletes it. Woken, the writer acknowledges what was durable by then and is
refused the rest, or, asked again as clients ask, begins another segment.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from catalog.errors import NotDurable
from cluster.cli import exit_code
from cluster.settings import Settings
from cluster.wiring import open_log

PROFILES = ("cluster",)
GROUP, GROUPS = 5, 4
POINTS = {"object.synced": (2, GROUPS + 1), "log.named": (1, 1), "log.synced": (1, GROUPS - 1)}
"""Before a group is sent, behind the segment's header, behind a group; at one of which hits. The header is an
object, too: its request is the first."""
TIMES = 100
LOST = exit_code(NotDurable("a segment was lost", hint=""))


def trials(seed: int, profile: str) -> Iterator[Trial]:
    """Point by point, the woken writer asked once and asked again in turn."""
    del profile
    rng = random.Random(seed)
    for n in range(TIMES):
        point = list(POINTS)[n % len(POINTS)]
        hit = rng.randint(*POINTS[point])
        yield {"point": point, "hit": hit, "tries": 1 + n % 2, "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """Stop a writer, run to idle, see that its segment is gone, wake it, and reckon."""
    # One segment for all groups: the next one is refused, wherever the writer was stopped.
    settings = workload.settings(folder / "home", segment_bytes=1 << 20)
    lines, receipts = workload.lines(trial["seed"], GROUP * GROUPS), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts, group=GROUP, tries=trial["tries"])
    failpoint = f"{trial['point']}:stop@{trial['hit']}"
    findings: list[str] = []
    with process.Child(folder, partial(send, range(len(lines))), failpoint) as writer:
        if (ended := writer.wait()) != process.STOPPED:
            return Outcome([f"the writer did not stop: {ended}"], {}, {})
        if code := process.carry_out(folder, partial(process.run, settings)):
            findings.append(f"while the writer was stopped, a run ended with {code}")
        with process.Child(folder, partial(left, settings)) as looking:
            if looking.wait() or looking.result:
                findings.append("the stopped writer's segment was not taken over")
        before = len(workload.acknowledged(receipts))
        writer.wake()
        ended = writer.wait()
    told = len(workload.acknowledged(receipts))
    # Behind a group it had been made durable: that one is acknowledged late.
    late = GROUP if trial["point"] == "log.synced" else 0
    expected = (LOST, before + late) if trial["tries"] == 1 else (0, len(lines))
    if (ended, told) != expected:
        findings.append(f"woken, the writer ended with {ended} and {told} receipts, not {expected}")
    rest = workload.unacknowledged(receipts, len(lines))
    if code := process.carry_out(folder, partial(send, rest)):
        findings.append(f"sending ended with {code}")
    verdict = check.settle(folder, settings, lines, receipts)
    return Outcome(findings + verdict.findings, {trial["point"]: 1}, dict(verdict.facts))


def judge(outcomes: Sequence[Outcome], profile: str) -> list[str]:
    """Every trial stopped a writer."""
    del profile
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    return [] if hits.total() == TIMES else [f"only {hits.total()} writers were stopped"]


def left(settings: Settings) -> list[str]:
    """The segments that are still listed."""
    return [segment.name for segment in open_log(settings)[0].segments()]
