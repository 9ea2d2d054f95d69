"""Full disks: nothing is acknowledged falsely, the sequencer says that it waits and goes on given room.

One folder of a home after the other stands on a disk of a few megabytes, which is filled but for a seeded
rest. The commands run as a person runs them; when the ballast goes they must end by themselves.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import NoReturn

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from catalog.errors import Unavailable
from cluster import cli, console, log_cli
from cluster.settings import Settings

DISKS = ("log", "raw", "warehouse", "state", "home")
"""`home` is what stands in the home itself: the control database and the catalog."""
TRIALS_A_DISK = 8
DISK_BYTES = 6 << 20
SPARE_BYTES = 120_000
LINES = 160
PROGRESS = re.compile(r"(plan \d+ of \d+ committed, [\d,]+ events decided|waiting) after \d+ s")
WAITING = "WARNING actors.sequencer.loop: waiting, nothing is lost: "
TOLD_S = 120.0
"""Within this time a sequencer that cannot go on has said so."""
END_S = 300.0
GROUP_BYTES = 4_000
"""How much `append` reads, and so flushes, at once here."""


def trials(seed: int) -> Iterator[Trial]:
    """Every disk, each with other rests of free space."""
    rng = Random(f"disk_full/{seed}")
    for number in range(TRIALS_A_DISK):
        for disk in DISKS:
            spare = rng.randrange(SPARE_BYTES if number % 2 else SPARE_BYTES // 8) if number else 0
            trial = {"disk": disk, "spare_bytes": spare, "is_running": rng.random() < 0.6}
            yield {"seed": rng.getrandbits(32), **trial}


def run(trial: Trial, folder: Path) -> Outcome:
    """Events into a healthy home, then into one with a full disk, then room again."""
    sent = workload.lines(trial["seed"], LINES)
    home, receipts = folder / "home", folder / "receipts"
    settings = workload.settings(home)
    with _disk(folder, home, trial["disk"]) as disk, ExitStack() as stack:
        process.carry_out(folder, lambda: process.append(settings, sent, range(LINES // 2), receipts))
        if trial["is_running"]:
            runner = stack.enter_context(_running(folder, settings))
            _until(runner, lambda: _is_done(home), END_S)
        else:
            process.carry_out(folder, lambda: process.run(settings))
        _fill(disk, trial["spare_bytes"])
        code, findings = append(folder, settings, sent, range(LINES // 2, LINES), receipts)
        if code and trial["disk"] != "log":
            findings.append(f"append ended with {code}, and its disk has room")
        if not trial["is_running"]:
            runner = stack.enter_context(_running(folder, settings, "--until-idle"))
        waited, found = _wait_for_room(runner, folder, home, disk / "ballast", trial["is_running"])
        verdict = check.settle(folder, settings, sent, receipts)
    hits = {f"{trial['disk']}: refused": int(code > 0), f"{trial['disk']}: waited": int(waited)}
    facts = {"append": code, "words": words(folder, "run"), **verdict.facts}
    return Outcome(findings + found + verdict.findings, hits, facts)


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Every disk was really too full for somebody."""
    hit = {disk for outcome in outcomes for disk, times in outcome.hits.items() if times}
    aims = {"log: refused", *(f"{disk}: waited" for disk in DISKS if disk != "log")}
    return [f"never: {aim}" for aim in sorted(aims - hit)]


def append(
    folder: Path,
    settings: Settings,
    sent: Sequence[workload.Line],
    indexes: Sequence[int],
    receipts: Path,
    carry_out: Callable[[Path, Callable[[], None]], int] = process.carry_out,
) -> tuple[int, list[str]]:
    """`beejan append` of these lines: its exit code, and what it should not have done."""
    written = folder / "lines"
    written.write_bytes(b"".join(sent[index].encoded + b"\n" for index in indexes))
    code = carry_out(folder, lambda: command(folder, "append", settings, [str(written)]))
    given = [json.loads(line)["event_id"] for line in (folder / "append.out").read_text().splitlines()]
    with receipts.open("a") as file:
        file.writelines(f"{json.dumps([at, name])}\n" for at, name in zip(indexes, given, strict=False))
    return code, refusal(code, len(given), len(indexes), words(folder, "append"))


def refusal(code: int, given: int, asked: int, said: Sequence[str]) -> list[str]:
    """What is wrong with how an append ended: all receipts, or exit code 3 and one line that says so."""
    if code == console.OK:
        return [] if given == asked else [f"append gave {given} receipts for {asked} lines and ended with 0"]
    if code != console.NOT_DURABLE:
        return [f"append ended with {code}: {said[-1:]}"]
    is_clear = len(said) == 1 and said[0].startswith("beejan: ") and "acknowledged" in said[0]
    return [] if is_clear else [f"append was refused with the words {said[-3:]}"]


def command(folder: Path, name: str, settings: Settings, arguments: Sequence[str]) -> NoReturn:
    """Be `beejan NAME …` to the end of this process; what it prints is in `NAME.out` and `NAME.err`."""
    logging.root.handlers.clear()
    sys.stdout = (folder / f"{name}.out").open("w")
    sys.stderr = (folder / f"{name}.err").open("w", buffering=1)
    os.environ.update({spec.metadata["name"]: str(getattr(settings, spec.name)) for spec in fields(Settings)})
    sys.argv = ["beejan", name, *arguments]
    log_cli.APPEND_BYTES = GROUP_BYTES
    code: object = console.OK
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else console.OK)


def _running(folder: Path, settings: Settings, *options: str) -> process.Child:
    return process.Child(folder, lambda: command(folder, "run", settings, ["--runtime", "plain", *options]))


def _wait_for_room(
    runner: process.Child, folder: Path, home: Path, ballast: Path, is_running: bool
) -> tuple[bool, list[str]]:
    """Make room when the sequencer says that it waits: whether it did wait, and what is wrong."""
    waited = _until(runner, lambda: bool(words(folder, "run")) or _is_done(home), TOLD_S)
    findings = [] if waited or _is_over(runner) else ["the sequencer is held up and says nothing"]
    waited = not (_is_done(home) or _is_over(runner))
    ballast.unlink()
    if is_running:
        _until(runner, lambda: _is_done(home), END_S)
        os.kill(runner.pid, signal.SIGTERM)
    if not _until(runner, lambda: _is_over(runner), END_S):
        return waited, [*findings, "there is room again and the sequencer does not go on"]
    return waited, findings + ending(runner.wait(), words(folder, "run"))


def ending(code: int, said: Sequence[str]) -> list[str]:
    """What is wrong with how a run ended: by itself with 0, having said only that it waits; or at once,
    refusing to start with one line."""
    if code == console.FINDING and len(said) == 1 and said[0].startswith("beejan: "):
        return []
    strange = [line for line in said if not line.startswith(WAITING) and not PROGRESS.fullmatch(line)]
    return [*([f"run ended with {code}"] if code else []), *(f"it says: {line}" for line in strange[-2:])]


def words(folder: Path, name: str) -> list[str]:
    """The lines that a command wrote to standard error."""
    said = folder / f"{name}.err"
    return said.read_text().splitlines() if said.exists() else []


def _is_done(home: Path) -> bool:
    """Everything that was in the log is committed and published."""
    return not list((home / "log").glob("seg-*"))


def _until(child: process.Child, is_true: Callable[[], bool], patience_s: float) -> bool:
    """Wait until something is true, the child is over, or patience is."""
    deadline_s = time.monotonic() + patience_s
    while not is_true():
        if _is_over(child) or time.monotonic() > deadline_s:
            return is_true()
        time.sleep(0.01)
    return True


def _is_over(child: process.Child) -> bool:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@contextmanager
def _disk(folder: Path, home: Path, name: str) -> Iterator[Path]:
    """A small disk under one folder of a home, or under the home itself with its folders elsewhere."""
    disk = home if name == "home" else home / name
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "faults", str(disk)], check=False
    )
    if mounted.returncode:
        raise Unavailable("no small disk can be mounted", hint="mounting needs root")
    try:
        if name == "home":
            for each in DISKS[:-1]:
                (folder / "elsewhere" / each).mkdir(parents=True)
                (home / each).symlink_to(folder / "elsewhere" / each)
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _fill(disk: Path, spare_bytes: int) -> None:
    """Leave only so much room, also beside a sequencer that takes some of it meanwhile."""
    with (disk / "ballast").open("wb") as ballast:
        while room := max(0, _free_bytes(disk) - spare_bytes):
            with suppress(OSError):
                os.posix_fallocate(ballast.fileno(), 0, os.fstat(ballast.fileno()).st_size + room)


def _free_bytes(disk: Path) -> int:
    free = os.statvfs(disk)
    return free.f_bavail * free.f_frsize
