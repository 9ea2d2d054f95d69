"""A process that dies at any step of any protocol loses nothing and doubles nothing.

Every failpoint that a profile passes kills at least `ENOUGH` processes. A trial is one home with several
lives: lines are sent and the product runs, one of the two is killed at a seeded hit of the trial's next
point, again and again; then everything without a receipt is sent again, and the home is settled and checked.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.faults import check, poison, process, workload
from benchmarks.faults.bench import Outcome, Trial
from catalog.failpoints import REGISTRY
from cluster.home import Home
from cluster.settings import Settings

PROFILES = ("embedded", "cluster")
ENOUGH = {"embedded": 30, "cluster": 10}
KILLS = 12
TRIALS = 3
FILES_ONLY = ("log.created", "log.written", "log.published", "log.footer", "log.cut")
"""Points of a log in local files."""
LIVES = 22
SENDING = (
    "log.created",
    "log.named",
    "log.written",
    "log.synced",
    "log.published",
    "log.footer",
    "log.sealed",
)
"""Points that the sending process passes."""
POISONED = "amend.inserted"
"""Only passed where texts end the process that decides them."""
UPKEEP = ("compact", "expire", "orphans", "file")
"""What is only reached, or reached more, where upkeep is due every few commits."""
SPREAD = {
    "log.written": 4,
    "log.synced": 4,
    "log.published": 4,
    "log.cut": 1,
    "amend.inserted": 1,
    "file.written": 40,
    "file.synced": 40,
}
"""The kill is at one of so many first hits of a life; of points not named here at the first or second."""
DEATHS = 40
"""More than all poisonous texts of a trial can cause: one each, and one for each kill between."""


TOGETHER = 8
"""On servers a home takes seconds to check: its lives end at so many different points."""


def points(profile: str) -> list[str]:
    """The failpoints that are passed somewhere under a profile."""
    return [point for point in REGISTRY if profile == "embedded" or point not in FILES_ONLY]


def trials(seed: int, profile: str = "embedded") -> Iterator[Trial]:
    """Point by point, again and again, so that the first trials cover them all."""
    rng = random.Random(seed)
    homes = [[point] * KILLS for point in points(profile)] if profile == "embedded" else together(profile)
    for _, those in itertools.product(range(TRIALS if profile == "embedded" else ENOUGH[profile]), homes):
        yield {"points": those, "seed": rng.randrange(1 << 30)}


def together(profile: str) -> list[list[str]]:
    """Every point, several to a home: by what it takes to reach them, since poison and upkeep would only slow
    down the others."""
    kinds: dict[str, list[str]] = {}
    for point in points(profile):
        step = point.partition(".")[0]
        kinds.setdefault(step if step in ("amend", "log") else str(step in UPKEEP), []).append(point)
    return [
        those[begin : begin + TOGETHER]
        for those in kinds.values()
        for begin in range(0, len(those), TOGETHER)
    ]


def run(trial: Trial, folder: Path) -> Outcome:
    """Lives until one was killed for each point, then the reckoning."""
    wanted, home = deque(trial["points"]), _Lives(trial, folder)
    hits, sent = dict.fromkeys(wanted, 0), 0
    while wanted and sent < len(home.lines):
        point = wanted.popleft()
        sent += home.chunk
        at = f"{point}:kill@{home.rng.randint(1, min(home.spread, SPREAD.get(point, 2)))}"
        if point in SENDING:
            is_killed = home.send(sent, at) == process.KILLED
            if home.rng.random() < 0.5:
                home.run("")
        else:
            home.send(sent, f"log.written:kill@{home.rng.randint(1, 4)}" if point == "log.cut" else "")
            is_killed = home.run(at) == process.KILLED
        hits[point] += is_killed
        if not is_killed:
            wanted.append(point)
    home.send(sent, "")
    home.run("")
    verdict = check.settle(folder, home.settings, home.lines[:sent], home.receipts, home.run_to_idle)
    return Outcome(home.findings + verdict.findings, hits, dict(verdict.facts))


def judge(outcomes: Sequence[Outcome], profile: str = "embedded") -> list[str]:
    """No point may have been spared."""
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    least = ENOUGH[profile]
    return [f"{point} killed only {hits[point]} times" for point in points(profile) if hits[point] < least]


class _Lives:
    """The processes of one home, one after the other, and what was wrong with how they ended."""

    def __init__(self, trial: Trial, folder: Path) -> None:
        is_poisonous = POISONED in trial["points"]
        self.rng = random.Random(trial["seed"])
        is_upkeep = any(point.partition(".")[0] in UPKEEP for point in trial["points"])
        self.settings = workload.settings(folder / "home", segment_bytes=2_000)
        is_local = self.settings.profile == "embedded"
        # On servers a plan's files cost seconds, not milliseconds: fewer plans a life, though two for upkeep.
        self.chunk = 2 if is_poisonous else 12 if is_local else 4
        self.spread = 40 if is_local else 1 if is_upkeep else 2
        plan_rows = 2 if is_poisonous or (is_upkeep and not is_local) else 8
        self.settings = replace(self.settings, plan_rows=plan_rows)
        self.lines = workload.lines(trial["seed"], self.chunk * LIVES, poison_every=2 if is_poisonous else 0)
        self.receipts = folder / "receipts"
        self.findings: list[str] = []
        self.run_to_idle = _run_poisoned if is_poisonous else process.run
        if is_upkeep:
            self.run_to_idle = process.run_busily
        self._folder = folder

    def send(self, count: int, failpoint: str) -> int:
        """Send what has no receipt yet of the first `count` lines: how the sender ended."""
        indexes = workload.unacknowledged(self.receipts, count)
        work = partial(process.append, self.settings, self.lines, indexes, self.receipts)
        code = process.carry_out(self._folder, work, failpoint)
        if failpoint.startswith("log.written") and code == process.KILLED:
            self._tear()
        return self._ended(code, failpoint)

    def run(self, failpoint: str) -> int:
        """Run to idle or to the failpoint: how the sequencer ended. A poisonous text ends it as well, each
        time only so often until it is amended."""
        for _ in range(DEATHS):
            code = process.carry_out(self._folder, lambda: self.run_to_idle(self.settings), failpoint)
            if code != poison.DEATH:
                break
        return self._ended(code, failpoint)

    def _ended(self, code: int, failpoint: str) -> int:
        if code not in (0, process.KILLED) or (code and not failpoint):
            self.findings.append(f"armed with {failpoint or 'nothing'}, a process ended with {code}")
        return code

    def _tear(self) -> None:
        """What was written and not yet synced may reach the disk in part: the last frame lost its end."""
        live = max(Home(self.settings.home).log.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        with live.open("r+b") as file:
            file.truncate(live.stat().st_size - self.rng.randint(1, 90))


def _run_poisoned(settings: Settings) -> None:
    process.run_by_hand(settings, poison.worker(settings))
