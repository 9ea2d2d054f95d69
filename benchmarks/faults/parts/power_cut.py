"""Power cuts: what was acknowledged before one is in the warehouse after it, once, and nothing names a hole.

A home on the file system that forgets (`benchmarks.faults.powercut`). A writer gives its receipts outside,
a sequencer works beside it with segments, plans and upkeep so small that all of them happen within a
second. The power goes at a random moment or at a random failpoint, both are killed, the disk shows what it
had, and a run without faults must bring the home to rest. The next cut comes on top of what that left.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from benchmarks.faults.powercut import PowerCut
from catalog import failpoints
from catalog.lake import store
from catalog.lake.fileio import SyncedFileIO
from catalog.log import files, live, local
from cluster import plain
from cluster.settings import Settings

CUTS, CUTS_A_HOME = 100, 4
LINES = 1_200
PACE_S = 0.02
"""A sender's pause between two groups: the sequencer keeps up, and a cut finds both at work."""
POINT_S = 2.0
"""A failpoint that nobody has reached by then is not waited for: the cut comes there and then."""
SETTLE_S = 300
"""A run after a cut that has not ended by then hangs."""
LAZY_TIMES = 50
"""More syncs than a writer asks for before it is cut at a point: how fast it works does not matter."""
MOMENT = "a random moment"
Sabotage = Callable[[], None]


def trials(seed: int) -> Iterator[Trial]:
    """Homes that are cut several times: at a moment or a failpoint, strict or torn, early names or none."""
    rng = Random(f"power_cut/{seed}")
    for _ in range(CUTS // CUTS_A_HOME):
        yield {"seed": rng.getrandbits(32), "cuts": [_cut(rng) for _ in range(CUTS_A_HOME)]}


def _cut(rng: Random) -> dict[str, Any]:
    cut: dict[str, Any] = {"seed": rng.getrandbits(32)}
    cut |= {"forget_all": rng.random() < 0.3, "early_names": rng.random() < 0.5}
    if rng.random() < 0.5:
        return cut | {"after_s": round(rng.uniform(0.05, 1.2), 3)}
    point = rng.choice([name for name in failpoints.REGISTRY if name != "amend.inserted"])
    # The points of the log come by with every group, the others with every plan.
    return cut | {"failpoint": f"{point}:stop@{rng.randint(1, 30 if point.startswith('log.') else 4)}"}


def run(
    trial: Trial, folder: Path, writer: Sabotage = lambda: None, sequencer: Sabotage = lambda: None
) -> Outcome:
    """Cut one home again and again. `writer` and `sequencer` break who is cut, never the run after it."""
    sent, receipts, mountpoint = workload.lines(trial["seed"], LINES), folder / "receipts", folder / "disk"
    mountpoint.mkdir()
    settings = workload.settings(mountpoint / "home", plan_rows=60, plan_age_s=0.05, segment_bytes=16_000)

    def write() -> None:
        writer()
        failpoints.observe(_pace)
        process.append(settings, sent, workload.unacknowledged(receipts, LINES), receipts)

    def work() -> None:
        sequencer()
        process.hurry_upkeep(grace_us=0)
        plain.run(settings, False, lambda: False, lambda: False)

    findings: list[str] = []
    hits: Counter[str] = Counter()
    seconds: list[float] = []
    given: list[int] = []
    with PowerCut() as power:
        power.start(mountpoint)
        for number, cut in enumerate(trial["cuts"]):
            started_s = time.monotonic()
            hits[_interrupted(power, cut, folder, write, work)] += 1
            power.restore()
            given.append(len(workload.acknowledged(receipts)))
            verdict = check.settle(folder, settings, sent, receipts, run=_settle)
            findings += [f"after cut {number}: {found}" for found in verdict.findings]
            seconds.append(round(time.monotonic() - started_s, 2))
            if findings:
                break  # what comes on top of it says nothing new
    hits["cuts"] = len(seconds)
    return Outcome(findings, dict(hits), {"seconds_a_cut": seconds, "receipts": given})


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """A campaign counts only if nearly every home was cut after receipts had been given."""
    idle = sum(not outcome.facts["receipts"][-1] for outcome in outcomes)
    return [f"{idle} homes gave no receipt at all"] if idle > len(outcomes) // 4 else []


def _interrupted(
    power: PowerCut, cut: dict[str, Any], folder: Path, write: Callable[[], None], work: Callable[[], None]
) -> str:
    """A writer and a sequencer at work, and the power goes: what they were cut at."""
    point, at = cut.get("failpoint", ""), MOMENT
    with process.Child(folder, write, point) as writer, process.Child(folder, work, point) as sequencer:
        deadline_s = time.monotonic() + cut.get("after_s", POINT_S)
        while time.monotonic() < deadline_s:
            if _is_stopped(writer) or _is_stopped(sequencer):
                at = point.partition(":")[0]
                break
            time.sleep(0.002)
        power.cut(cut["seed"], forget_all=cut["forget_all"], early_names=cut["early_names"])
    return at


def _pace(name: str) -> None:
    if name == "log.published":
        time.sleep(PACE_S)


def _settle(settings: Settings) -> None:
    signal.alarm(SETTLE_S)
    process.run_busily(settings)


def _is_stopped(child: process.Child) -> bool:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


# What the part must notice: each breaks one promise of the product, in the writer or in the sequencer.


def no_sync() -> None:
    """Bytes are never synced before they are acknowledged."""
    broken: Any = os
    broken.fdatasync = lambda _descriptor: None


def lazy_sync() -> None:
    """Bytes are synced the first time and then every so many times."""
    broken: Any = os
    sync, asked = os.fdatasync, itertools.count()

    def lazily(descriptor: int) -> None:
        if next(asked) % LAZY_TIMES == 0:
            sync(descriptor)

    broken.fdatasync = lazily


def no_folder_sync() -> None:
    """The names of segments are never synced."""
    for module in (files, live, local):
        broken: Any = module
        broken.sync_folder = lambda _folder: None


class StockFileIO(SyncedFileIO):
    """Writes as the library does."""

    def new_output(self, location: str) -> PyArrowFile:
        return PyArrowFileIO.new_output(self, location)


def stock_files() -> None:
    """Tables are written by the library's own file I/O, which syncs nothing."""
    store.FILE_IO = f"{StockFileIO.__module__}.{StockFileIO.__qualname__}"
