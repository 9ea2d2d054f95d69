"""Of one id the bytes acknowledged first are the accepted ones, whatever restarts and however much waits.

A sender sends event A, and once that is acknowledged other bytes B under the same id, often through another
writer. Writers and sequencers are killed all the while, and the log is never empty.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from cluster.settings import Settings
from cluster.wiring import open_stores

PAIRS, TRIALS, ROUND = 50, 10, 10
WRITER_POINTS = ("log.written", "log.synced", "log.published")
SEQUENCER_POINTS = ("plan.scanned", "plan.inserted", "decide.done", "commit.swapped")


def trials(seed: int) -> Iterator[Trial]:
    """500 pairs in all."""
    rng = random.Random(seed)
    for _ in range(TRIALS):
        yield {"pairs": PAIRS, "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """Pairs in rounds: the first events of a round go out beside the second ones of the round before."""
    rng, pairs = random.Random(trial["seed"]), int(trial["pairs"])
    settings = workload.settings(folder / "home")
    # Line 2i is the first of pair i, line 2i + 1 has its id and other bytes.
    lines, receipts = workload.pairs(trial["seed"], pairs), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts, group=2)
    kills = 0
    before: range = range(0)
    for begin in range(0, pairs + ROUND, ROUND):
        now = range(begin, min(begin + ROUND, pairs))
        waiting = [[2 * i for i in now], [2 * i + 1 for i in before]]
        while any(waiting):
            kills += _beside_each_other(folder, rng, send, waiting)
            done = {index for index, _ in workload.acknowledged(receipts)}
            waiting = [[index for index in indexes if index not in done] for indexes in waiting]
        before = now
        if rng.random() < 0.5:
            point = f"{rng.choice(SEQUENCER_POINTS)}:kill@{rng.randint(1, 2)}"
            ended = process.carry_out(folder, partial(process.run, settings), point)
            kills += ended == process.KILLED
    verdict = check.settle(folder, settings, lines, receipts)
    facts: dict[str, Any] = dict(verdict.facts)
    with process.Child(folder, partial(losers, settings, lines)) as counting:
        if code := counting.wait():
            return Outcome([*verdict.findings, f"counting ended with {code}"], {}, facts)
        lost = counting.result
    found = [f"of {len(lost)} pairs the second won: {lost[: check.SHOWN]}"] if lost else []
    return Outcome(verdict.findings + found, {"pairs": pairs, "kills": kills}, facts)


def _beside_each_other(
    folder: Path, rng: random.Random, send: Callable[..., None], waiting: Sequence[Sequence[int]]
) -> int:
    """One writer for each list of lines, most of them killed on the way; how many were."""
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                process.Child(
                    folder,
                    partial(send, indexes=indexes),
                    f"{rng.choice(WRITER_POINTS)}:kill@{rng.randint(1, 6)}",
                )
            )
            for indexes in waiting
            if indexes
        ]
        return sum(writer.wait() == process.KILLED for writer in writers)


def losers(settings: Settings, lines: Sequence[workload.Line]) -> list[str]:
    """The ids whose accepted bytes are not those that were acknowledged first."""
    rows = {row["event_id"]: row for row in check.events(open_stores(settings).lake())}
    return [
        str(first.event_id)
        for first in lines[::2]
        if rows[str(first.event_id)]["payload_digest"] != first.digest
    ]
