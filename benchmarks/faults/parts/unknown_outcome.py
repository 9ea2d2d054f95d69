"""An error raised after the swap, or anywhere else in a step, loses no row and doubles none.

The product is told that a swap failed which in truth succeeded, or that a device failed; it must look
before it repeats, and end by itself. The same events come again in later plans, so that a memory that
learned wrongly shows.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from catalog import failpoints
from cluster.settings import Settings

SWAPS = ("commit.swapped", "ledger.swapped", "compact.swapped", "expire.swapped", "orphans.moved")
OTHERS = (
    *("plan.scanned", "plan.inserted", "file.written", "file.synced", "commit.loaded", "commit.staged"),
    *("ledger.staged", "checkpoint.begun", "checkpoint.written", "compact.staged", "expire.deleted"),
    *("orphans.listed", "orphans.deleted", "publish.named", "publish.manifest"),
    *("publish.verified", "publish.deleted"),
)
SPREAD = {"file.written": 30, "file.synced": 30}
PROFILES = ("embedded", "cluster")
SWAP_TRIALS = {"embedded": 20, "cluster": 4}
OTHER_TRIALS = {"embedded": 4, "cluster": 1}
CHUNK = 40


def trials(seed: int, profile: str = "embedded") -> Iterator[Trial]:
    """The swaps first, then the errors that cannot hide an effect of theirs."""
    rng = random.Random(seed)
    for points, times in ((SWAPS, SWAP_TRIALS[profile]), (OTHERS, OTHER_TRIALS[profile])):
        for _, point in itertools.product(range(times), points):
            hit = rng.randint(1, SPREAD.get(point, 3 if point in SWAPS else 2))
            yield {"point": point, "hit": hit, "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """Send, fail once on the way to idle, send half of it again with more, go to idle, reckon."""
    settings = workload.settings(folder / "home", plan_rows=10)
    lines, receipts = workload.lines(trial["seed"], 2 * CHUNK), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts)
    point = trial["point"]
    findings: list[str] = []
    # Making the tables is no step of a protocol: an error there only ends the command.
    codes = [("a first run", process.carry_out(folder, partial(process.run, settings)))]
    codes.append(("sending", process.carry_out(folder, partial(send, range(CHUNK)))))
    with process.Child(folder, partial(passed, settings, point), f"{point}:raise@{trial['hit']}") as child:
        codes.append((f"told of an error at {point}, a run", child.wait()))
        hits = int(not codes[-1][1] and child.result >= trial["hit"])
    again = [index for index in range(0, CHUNK, 2) if lines[index].id is not None]
    codes.append(
        ("sending again", process.carry_out(folder, partial(send, [*again, *range(CHUNK, 2 * CHUNK)])))
    )
    findings += [f"{step} ended with {code}" for step, code in codes if code]
    verdict = check.settle(folder, settings, lines, receipts)
    if not verdict.findings and verdict.facts["redelivered"] < len(again):
        findings.append(f"{len(again)} lines came again, {verdict.facts['redelivered']} were recognised")
    return Outcome(findings + verdict.findings, {point: hits}, dict(verdict.facts))


def judge(outcomes: Sequence[Outcome], profile: str = "embedded") -> list[str]:
    """Every error was met."""
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    wanted = {**dict.fromkeys(SWAPS, SWAP_TRIALS[profile] // 2), **dict.fromkeys(OTHERS, 1)}
    return [
        f"{point} failed only {hits[point]} times" for point, least in wanted.items() if hits[point] < least
    ]


def passed(settings: Settings, point: str) -> int:
    """Run to idle: how often the point was passed."""
    hits: Counter[str] = Counter()
    failpoints.observe(lambda name: hits.update((name,)))
    process.run_busily(settings)
    return hits[point]
