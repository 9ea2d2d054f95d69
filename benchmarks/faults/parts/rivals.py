"""Two sequencers at once on one home, one of them stale, and every plan has one effect.

Without the lease that would keep them apart, each with a memory of its own. One stops at a step as a
process that the scheduler forgot, the other one carries on to idle, the first one wakes; with new rows and
with nothing but redeliveries. Then rounds at full speed.
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

STALE = (
    *("plan.scanned", "plan.inserted", "decide.pure", "decide.done", "file.written", "file.synced"),
    *("commit.loaded", "commit.staged", "commit.swapped", "ledger.staged", "ledger.swapped"),
    *("dedup.promoted", "checkpoint.begun", "checkpoint.written"),
    *("object.synced", "publish.named", "publish.manifest", "publish.verified", "publish.deleted"),
    *("compact.staged", "compact.swapped", "expire.swapped", "expire.deleted"),
    *("orphans.listed", "orphans.moved", "orphans.deleted"),
)
"""Where one of the two stops."""
SPREAD = {"file.written": 30, "file.synced": 30}
PROFILES = ("embedded", "cluster")
STALE_TRIALS = {"embedded": 6, "cluster": 2}
SPEED_TRIALS = {"embedded": 100, "cluster": 10}
CHUNK = 40
ENOUGH = {"embedded": 3, "cluster": 1}
TRIES = 5
"""Of a group: in an object store the sequencers take the segment over that it was sent to."""
GRACE_US = 900_000_000
"""As in the product: a reader that was stopped finds its files again."""


def trials(seed: int, profile: str = "embedded") -> Iterator[Trial]:
    """First one stale, with rows and without, then both at full speed."""
    rng = random.Random(seed)
    for n, point in itertools.product(range(STALE_TRIALS[profile]), STALE):
        hit = rng.randint(1, SPREAD.get(point, 2))
        yield {
            "kind": "stale",
            "point": point,
            "hit": hit,
            "rows": n % 2 == 0,
            "seed": rng.randrange(1 << 30),
        }
    for _ in range(SPEED_TRIALS[profile]):
        yield {"kind": "speed", "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """One round."""
    return _stale(trial, folder) if trial["kind"] == "stale" else _speed(trial, folder)


def judge(outcomes: Sequence[Outcome], profile: str = "embedded") -> list[str]:
    """Every point stopped somebody, and at full speed they really met."""
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    rare = [f"{point} stopped only {hits[point]} times" for point in STALE if hits[point] < ENOUGH[profile]]
    is_met = hits["lost a race"] >= SPEED_TRIALS[profile]
    met = [] if is_met else [f"only {hits['lost a race']} races were lost"]
    return rare + met


def _stale(trial: Trial, folder: Path) -> Outcome:
    settings = workload.settings(folder / "home")
    lines, receipts = workload.lines(trial["seed"], 2 * CHUNK), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts)
    new = range(CHUNK, 2 * CHUNK)
    again = [index for index in range(CHUNK) if lines[index].id is not None]
    steps: list[tuple[str, int]] = [
        ("sending", process.carry_out(folder, partial(send, range(CHUNK)))),
        ("running", process.carry_out(folder, partial(sequencer, settings, "a"))),
        ("sending", process.carry_out(folder, partial(send, new if trial["rows"] else again))),
    ]
    failpoint, hits = f"{trial['point']}:stop@{trial['hit']}", 0
    with process.Child(folder, partial(sequencer, settings, "a"), failpoint) as stale:
        ended = stale.wait()
        if ended == process.STOPPED:
            hits = 1
            steps.append(("the other one", process.carry_out(folder, partial(sequencer, settings, "b"))))
            stale.wake()
            ended = stale.wait()
        steps.append(("the stale one", ended))
    return _reckon(
        folder, settings, lines[: 2 * CHUNK if trial["rows"] else CHUNK], steps, {trial["point"]: hits}
    )


def _speed(trial: Trial, folder: Path) -> Outcome:
    settings = workload.settings(folder / "home", plan_rows=8)
    lines, receipts = workload.lines(trial["seed"], 3 * CHUNK), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts, tries=TRIES)
    # A segment whose sender died: both find it.
    killed = process.carry_out(folder, partial(send, range(CHUNK)), "log.synced:kill@7")
    steps = [("the sender to kill", killed - process.KILLED)]
    rest = workload.unacknowledged(receipts, 2 * CHUNK)
    steps.append(("sending", process.carry_out(folder, partial(send, rest))))
    lost = 0
    with (
        process.Child(folder, partial(sequencer, settings, "a")) as first,
        process.Child(folder, partial(sequencer, settings, "b")) as second,
        process.Child(folder, partial(send, range(2 * CHUNK, 3 * CHUNK))) as sender,
    ):
        for name, child in (("one", first), ("the other one", second), ("the sender", sender)):
            steps.append((name, child.wait()))
        for child in (first, second):
            hits = child.result if not any(code for _, code in steps) else {}
            lost += hits.get("commit.loaded", 0) - hits.get("commit.swapped", 0)
    return _reckon(folder, settings, lines, steps, {"lost a race": lost})


def sequencer(settings: Settings, name: str) -> dict[str, int]:
    """Run to idle without the lease, with a memory of that name: how often each point was passed."""
    hits: Counter[str] = Counter()
    failpoints.observe(lambda point: hits.update((point,)))
    process.hurry_upkeep(GRACE_US)
    process.run_by_hand(settings, state=name, is_leased=False)
    return dict(hits)


def _reckon(
    folder: Path,
    settings: Settings,
    sent: Sequence[workload.Line],
    steps: Sequence[tuple[str, int]],
    hits: dict[str, int],
) -> Outcome:
    verdict = check.settle(folder, settings, sent, folder / "receipts")
    findings = [f"{name} ended with {code}" for name, code in steps if code]
    return Outcome(findings + verdict.findings, hits, dict(verdict.facts))
