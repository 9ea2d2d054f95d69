"""Failing devices: one system call fails, nothing is acknowledged falsely, and nobody has to help.

The kernel says EIO to one sync or rename, or ENOSPC to one write, of `beejan append` or `beejan run`, by
way of strace: the call is not carried out. A device may take the next one again, so the product must
neither trust it nor give up. After `append` the power goes as well: what only seemed durable is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from benchmarks.faults.parts.disk_full import append, command, ending, words
from benchmarks.faults.powercut import PowerCut
from cluster import console

CALLS = {
    "append": {"fdatasync": 18, "fsync": 25, "pwrite64": 50, "rename": 18},
    "run": {"fdatasync": 250, "fsync": 300, "pwrite64": 2500, "write": 180, "rename": 90, "ftruncate": 300},
}
"""What may fail, and among how many of its kind which one does."""
ERRORS = {"pwrite64": "ENOSPC", "write": "ENOSPC"}
TRIALS_A_CALL = 8
LINES = 120
RUN = ("--runtime", "plain", "--until-idle")


def trials(seed: int) -> Iterator[Trial]:
    """Every call of both commands, failing early and late."""
    rng = Random(f"io_error/{seed}")
    for name, calls in CALLS.items():
        for call, times in calls.items():
            for when in sorted(rng.sample(range(1, times + 1), min(times, TRIALS_A_CALL))):
                fault = f"{call}:error={ERRORS.get(call, 'EIO')}:when={when}"
                yield {"seed": rng.getrandbits(32), "command": name, "fault": fault}


def run(trial: Trial, folder: Path) -> Outcome:
    """One command with one failing call on a home that is in use, then a run without faults."""
    sent = workload.lines(trial["seed"], LINES)
    receipts, disk = folder / "receipts", folder / "disk"
    disk.mkdir()
    settings = workload.settings(disk / "home")
    is_append, rest = trial["command"] == "append", range(LINES // 4, LINES)
    failing = partial(_failing, fault=trial["fault"])
    with PowerCut() as power:
        if is_append:
            power.start(disk)
        process.carry_out(folder, lambda: process.append(settings, sent, range(LINES // 4), receipts))
        process.carry_out(folder, lambda: process.run(settings))
        if is_append:
            code, findings = append(folder, settings, sent, rest, receipts, failing)
            power.cut(trial["seed"], forget_all=True)
            power.restore()
        else:
            process.carry_out(folder, lambda: process.append(settings, sent, rest, receipts))
            code = failing(folder, lambda: command(folder, "run", settings, RUN))
            findings = ending(code, words(folder, "run"))
        failed = "(INJECTED)" in (folder / "trace").read_text()
        if is_append and failed and code == console.OK:
            findings.append("append did not notice")
        verdict = check.settle(folder, settings, sent, receipts)
    hit = f"{trial['command']} {trial['fault'].partition(':')[0]}"
    facts = {"exit": code, "words": words(folder, trial["command"]), **verdict.facts}
    return Outcome(findings + verdict.findings, {hit: int(failed)}, facts)


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Every call really failed."""
    hit = {call for outcome in outcomes for call, times in outcome.hits.items() if times}
    aims = {f"{name} {call}" for name, calls in CALLS.items() for call in calls}
    return [f"never failed: {aim}" for aim in sorted(aims - hit)]


def _failing(folder: Path, work: Callable[[], None], fault: str) -> int:
    """As `process.carry_out`, with a call that fails."""

    def halted() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        work()

    with process.Child(folder, halted) as child:
        child.wait()
        called = fault.partition(":")[0]
        options = ["-f", "-o", str(folder / "trace"), "-e", f"trace={called}", "-e", f"inject={fault}"]
        tracer = subprocess.Popen(["strace", *options, "-p", str(child.pid)], stderr=subprocess.PIPE)
        assert tracer.stderr is not None
        with tracer:
            tracer.stderr.readline()  # "attached"
            child.wake()
            return child.wait()
