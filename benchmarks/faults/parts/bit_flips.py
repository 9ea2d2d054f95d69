"""Flipped bits: `verify` sees each in log and raw layer, and no run takes a durable frame for a torn tail.

A home in use: published segments, sealed ones that wait, and a live one whose writer was killed. One bit
is flipped, looked for, and flipped back. After a flip in the log a run also has to stop for a person, or
bring in every acknowledged event all the same.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from cluster.checks import verify_home
from cluster.console import STOPPED
from cluster.settings import Settings
from cluster.wiring import open_stores

FLIPS, FLIPS_A_HOME = 200, 20
LINES = 160
SEGMENT_BYTES = 9_000
WRITER_DIES = "log.published:kill@15"
PLACES = {
    "sealed": "log/*.sealed",
    "live": "log/*.log",
    "durable": "log/*.durable",
    "raw": "raw/event_date=*/channel=*/*.ndjson.zst",
    "manifest": "raw/manifests/*.json",
}
"""What is flipped, and where it stands under a home."""
IN_LOG = ("sealed", "live", "durable")


def trials(seed: int) -> Iterator[Trial]:
    """Homes, each with flips in every kind of file."""
    rng = Random(f"bit_flips/{seed}")
    places = list(PLACES)
    for _ in range(FLIPS // FLIPS_A_HOME):
        flips = [
            {"place": places[number % len(places)], "file": rng.random(), "bit": rng.random()}
            for number in range(FLIPS_A_HOME)
        ]
        yield {"seed": rng.getrandbits(32), "flips": flips}


def run(trial: Trial, folder: Path) -> Outcome:
    """Make a home, then flip one bit after the other."""
    sent = workload.lines(trial["seed"], LINES)
    home, pristine, receipts = folder / "home", folder / "pristine", folder / "receipts"
    settings = workload.settings(home, segment_bytes=SEGMENT_BYTES)
    process.carry_out(folder, lambda: process.append(settings, sent, range(LINES // 2), receipts))
    process.carry_out(folder, lambda: process.run(settings))
    rest = range(LINES // 2, LINES)
    process.carry_out(folder, lambda: process.append(settings, sent, rest, receipts), WRITER_DIES)
    shutil.copytree(home, pristine)
    findings: list[str] = []
    hits: Counter[str] = Counter()
    with process.Child(folder, lambda: verified(settings)) as whole:
        if whole.wait() or not whole.result["ok"]:
            return Outcome(["verify is red before any flip"], {}, {})
    for number, flip in enumerate(trial["flips"]):
        flipped = _flip(home, flip)
        where = f"flip {number}, bit {flipped[1]} of a {flip['place']} file"
        findings += [f"{where}: {found}" for found in _looked_for(folder, settings)]
        hits[flip["place"]] += 1
        if flip["place"] in IN_LOG:
            code, found = _gone_on(folder, settings, receipts)
            findings += [f"{where}: {each}" for each in found]
            hits[f"{flip['place']}: run {'stopped' if code == STOPPED else 'went on'}"] += 1
        shutil.rmtree(home)
        shutil.copytree(pristine, home)
    return Outcome(findings, dict(hits), {"receipts": len(workload.acknowledged(receipts))})


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Every kind of file was flipped, and flips in the log did stop runs."""
    hits = sum((Counter(outcome.hits) for outcome in outcomes), Counter())
    aims = [*PLACES, "sealed: run stopped", "live: run stopped"]
    return [f"never: {aim}" for aim in aims if not hits[aim]]


def verified(settings: Settings) -> dict[str, Any]:
    """What `beejan verify --json` shows."""
    return verify_home(open_stores(settings))._asdict()


def _flip(home: Path, flip: dict[str, Any]) -> tuple[Path, int]:
    """Flip one bit in place: where."""
    paths = sorted(home.glob(PLACES[flip["place"]]))
    path = paths[int(flip["file"] * len(paths))]
    content = bytearray(path.read_bytes())
    bit = int(flip["bit"] * 8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return path, bit


def _looked_for(folder: Path, settings: Settings) -> list[str]:
    with process.Child(folder, lambda: verified(settings)) as verifier:
        if code := verifier.wait():
            return [] if code == STOPPED else [f"verify ended with {code}"]
        return [] if not verifier.result["ok"] else ["verify is green"]


def _gone_on(folder: Path, settings: Settings, receipts: Path) -> tuple[int, list[str]]:
    """Run to idle: how it ended, and what it lost without a word."""
    code = process.carry_out(folder, lambda: process.run(settings))
    if code == STOPPED:
        return code, []
    if code:
        return code, [f"a run ended with {code}"]
    with process.Child(folder, lambda: _ids(settings)) as reader:
        if failed := reader.wait():
            return code, [f"reading the table ended with {failed}"]
        there = set(reader.result)
    lost = [name for _, name in workload.acknowledged(receipts) if name not in there]
    return code, [f"a run lost {len(lost)} acknowledged events without a word"] if lost else []


def _ids(settings: Settings) -> list[str]:
    return [row["event_id"] for row in check.events(open_stores(settings).lake())]
