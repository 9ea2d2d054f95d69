"""The same events again: shuffled, after a restart, and with the clock 60 days on. No new row, the same
receipts, all counted as redelivered. The same id with other bytes is one conflict, and its redelivery known.

Runs the commands themselves, one process each.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults import workload
from benchmarks.faults.bench import Outcome, Trial
from benchmarks.flow_throughput import lines

PROFILES = ("embedded", "cluster")
EVENTS = 40_000
LATER = {"embedded": ("", "", "+60d"), "cluster": ("", "", "")}
"""The clock of each time the events come again; an object store answers nobody whose clock is days off."""


def trials(seed: int, profile: str = "embedded") -> Iterator[Trial]:
    """One, of a day's complaints."""
    del profile
    yield {"seed": seed, "events": EVENTS}


def run(trial: Trial, folder: Path) -> Outcome:
    """Send, then send again three times, then send other bytes under a known id, twice."""
    home, events = folder / "home", int(trial["events"])
    given = lines(events)
    first = beejan(home, "append", "-", given=given)
    beejan(home, "run", "--runtime", "plain", "--until-idle")
    expected = dict(zip(given, first.splitlines(), strict=True))
    findings: list[str] = []
    later = LATER[workload.settings(home).profile]
    for times, clock in enumerate(later, 1):
        again = random.Random(trial["seed"] + times).sample(given, events)
        receipts = beejan(home, "append", "-", given=again, clock=clock).splitlines()
        if receipts != [expected[line] for line in again]:
            findings.append(f"time {times}: other receipts")
        beejan(home, "run", "--runtime", "plain", "--until-idle", clock=clock)
        total = answer(home, "ledger")["total"]
        if (total["accepted"], total["redelivered"]) != (events, events * times):
            findings.append(f"time {times}: {total}")
    findings += _conflict(home, given[0])
    report, again_decided = answer(home, "verify"), answer(home, "redecide")
    if not report["ok"] or not again_decided["ok"]:
        findings.append(f"verify {report['ok']}, redecide {again_decided['ok']}")
    return Outcome(findings, {"redelivered": events * len(later)}, answer(home, "ledger")["total"])


def _conflict(home: Path, known: bytes) -> Iterator[str]:
    other = known.replace(b'"text": "', b'"text": "other ')
    before = answer(home, "ledger")["total"]
    for conflicts, redelivered in ((1, 0), (1, 1)):
        beejan(home, "append", "-", given=[other])
        beejan(home, "run", "--runtime", "plain", "--until-idle")
        now = answer(home, "ledger")["total"]
        added = (
            now["quarantined"] - before["quarantined"],
            now["redelivered"] - before["redelivered"],
            now["accepted"] - before["accepted"],
        )
        if added != (conflicts, redelivered, 0):
            yield f"other bytes under a known id: {added}"


def beejan(home: Path, *words: str, given: list[bytes] | None = None, clock: str = "") -> str:
    """Run a command, under another clock when given; what it printed. Raises when it fails."""
    command = [sys.executable, "-m", "cluster.cli", *words]
    settings = workload.settings(home)
    where = {
        "BEEJAN_HOME": str(home),
        "BEEJAN_PROFILE": settings.profile,
        "BEEJAN_CLUSTER": str(settings.cluster),
    }
    done = subprocess.run(
        ["faketime", "-f", clock, *command] if clock else command,
        input=b"".join(line + b"\n" for line in given or []),
        capture_output=True,
        check=False,
        env={**os.environ, **where, "BEEJAN_MIN_FREE_BYTES": "0"},
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return done.stdout.decode()


def answer(home: Path, *words: str) -> Any:
    """What a command answers in JSON."""
    return json.loads(beejan(home, *words, "--json"))
