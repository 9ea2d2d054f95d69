"""kill -9 under Ray and under load: sequencer, memory, workers and driver die at random moments, and every
acknowledged event is still one row. A process is killed only while events wait: none is killed idle.

A trial is one life of the runtime with several kills in it; a killed driver ends that life and a new one
begins. 30 trials of 10 kills are the campaign.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from benchmarks.faults import process
from benchmarks.faults.bench import Outcome, Trial
from benchmarks.faults.check import settle
from benchmarks.faults.workload import Line, lines, settings
from cluster import presence
from cluster.home import Home
from cluster.settings import Settings

TARGETS = ("sequencer", "dedup", "worker-0", "worker-1", "driver")
TRIALS, KILLS, BURST = 30, 10, 200
NEEDED = 300
PATIENCE_S = 300.0
LOOK_S = 0.02


def trials(seed: int) -> Iterator[Trial]:
    """Each with `kills` kills of seeded targets at seeded delays."""
    for index in range(TRIALS):
        yield {"seed": seed * 1_000 + index, "kills": KILLS}


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """The campaign must have killed often enough, and each kind of process."""
    killed = Counter[str]()
    for outcome in outcomes:
        killed.update(outcome.hits)
    found = [f"{name} was never killed" for name in TARGETS if not killed[name]]
    total = sum(killed.values())
    return found + ([f"only {total} kills of {NEEDED}"] if total < NEEDED else [])


def run(trial: Trial, folder: Path) -> Outcome:
    """Feed bursts, kill something while they are worked on, end by SIGTERM, check."""
    choose = random.Random(trial["seed"])
    configured = settings(folder / "home", flow_workers=2, plan_rows=20)
    sent = lines(trial["seed"], BURST * (trial["kills"] + 1))
    receipts = folder / "receipts"
    killed = Counter[str]()
    runtime = Runtime(configured, folder)
    try:
        for kill in range(trial["kills"]):
            feed(folder, configured, sent, range(kill * BURST, (kill + 1) * BURST), receipts)
            target = choose.choice(TARGETS)
            if not runtime.kill_at_work(target, choose.uniform(0, 0.6)):
                return Outcome([f"kill {kill}: {target} was not seen at work"], dict(killed), {})
            killed[target] += 1
        feed(folder, configured, sent, range(trial["kills"] * BURST, len(sent)), receipts)
        code = runtime.end()
    finally:
        runtime.kill()
    if code:
        return Outcome([f"told to stop, the runtime ended with {code}"], dict(killed), {})
    verdict = settle(folder, configured, sent, receipts)
    return Outcome(verdict.findings, dict(killed), verdict.facts)


def feed(
    folder: Path, configured: Settings, sent: Sequence[Line], indexes: Sequence[int], receipts: Path
) -> None:
    """Append in a process of its own."""
    code = process.carry_out(
        folder, lambda: process.append(configured, sent, list(indexes), receipts, group=20)
    )
    if code:
        raise RuntimeError(f"append ended with {code}")


class Runtime:
    """`beejan run` under Ray as a process, started again whenever it is gone."""

    def __init__(self, configured: Settings, folder: Path) -> None:
        self._home = Home(configured.home)
        self._home.make()
        self._errors = folder / "runtime.txt"
        values = {spec.metadata["name"]: getattr(configured, spec.name) for spec in fields(configured)}
        self._environment = os.environ | {name: str(value) for name, value in values.items()}
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started_at = time.time()
        command = [sys.executable, "-m", "cluster.cli", "run", "--runtime", "ray"]
        with self._errors.open("ab") as errors:
            return subprocess.Popen(command, env=self._environment, stdout=errors, stderr=errors)

    def kill_at_work(self, target: str, delay_s: float) -> bool:
        """SIGKILL a target `delay_s` after work was seen, if there still is work; False when it never was."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                self._process = self._start()
            if self._pid(target) and self._pid("sequencer") and self._is_waiting():
                time.sleep(delay_s)
                pid = self._pid(target)
                if pid and self._is_waiting():
                    with suppress(ProcessLookupError):  # it ended between the look and the kill: no kill
                        os.kill(pid, signal.SIGKILL)
                        if target == "driver":
                            self._process.wait()
                        return True
                delay_s /= 2
            time.sleep(LOOK_S)
        return False

    def _pid(self, target: str) -> int:
        if target == "driver":
            return self._process.pid if self._process.poll() is None else 0
        return self._noted(target)

    def _noted(self, name: str) -> int:
        """The pid that lives under this name; 0 for none."""
        found = {str(each["name"]): each for each in presence.living(self._home)}.get(name)
        return int(found["pid"]) if found and found["alive"] else 0

    def _is_waiting(self) -> bool:
        """Whether events wait: their segment is still in the log."""
        return any(self._home.log.glob("*.sealed"))

    def _is_ours(self) -> bool:
        """Whether the driver that runs now has come so far that it hears signals and has started actors."""
        sequencer = self._home.state / "actors" / "sequencer"
        is_noted = self._noted("driver") == self._process.pid
        return is_noted and sequencer.stat().st_mtime > self._started_at

    def end(self) -> int:
        """SIGTERM: it finishes what is durable; its exit code."""
        if self._process.poll() is not None:
            self._process = self._start()
        deadline_s = time.monotonic() + PATIENCE_S
        while not (self._is_ours() and self._pid("sequencer")):
            if time.monotonic() > deadline_s:
                raise RuntimeError("the runtime's actors were not seen")
            time.sleep(LOOK_S)
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """Whatever still runs of it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
