"""The product in processes that can be killed: forked from a warm parent, so that a trial costs no start-up.

The parent has imported everything and opened nothing: no store, no connection, no thread of its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from actors.dedup.dedup import Dedup
from actors.worker.config import WorkerConfig
from actors.worker.local import LocalWorkers
from benchmarks.faults.workload import Line
from catalog import failpoints
from catalog.bundle.folder import default
from catalog.bundle.keys import PseudonymKey
from catalog.clock import Clock
from catalog.control import lease, migrate
from catalog.errors import BeejanError, NotDurable
from catalog.lake import upkeep
from catalog.log.objects import ObjectLog
from catalog.objects.port import Objects
from cluster import plain, stores, wiring
from cluster.cli import exit_code
from cluster.home import Home
from cluster.settings import Settings
from cluster.wiring import (
    dedup_config,
    open_log,
    open_stores,
    run_sequencer,
    worker_config,
    writer_config,
)
from pipelines import maintain
from pipelines.append import envelope
from pipelines.flow import Stages
from pipelines.stages.signature import similarities

LIMIT_S = 600
"""A process that has not ended by then ends by SIGALRM: it hangs."""
CRASHED = 70
"""Exit code of a process that raised what the product does not raise."""
BEAT_S, SILENT_S = 0.1, 0.5
"""Of the lease between machines."""
KILLED, STOPPED = -signal.SIGKILL, -signal.SIGSTOP
_PR_SET_PDEATHSIG = 1


@cache
def warm() -> None:
    """Compile the rules once, before forking: a child at work must not spend its second on that."""
    Stages(default("warm"), PseudonymKey("warm", bytes(32)))
    migrate.revisions()


def impatient() -> None:
    """On servers the dead are taken for dead at once, by the next one: also who only seems to be. For a
    child: whatever else the parent does keeps its patience."""
    lease.BEAT_S, lease.SILENT_S = BEAT_S, SILENT_S
    changed: Any = stores
    changed.ObjectLog = _taken_over_at_once


def _taken_over_at_once(objects: Objects, clock: Clock, takeover_s: float = 0.0) -> ObjectLog:
    del takeover_s
    return ObjectLog(objects, clock, 0.0)


class Child:
    """One process of the product, working on its own; ended at the latest on leaving the `with` block."""

    def __init__(self, folder: Path, work: Callable[[], Any], failpoint: str = "") -> None:
        """Fork and do `work`. What it returns goes to a file in `folder`, what it raises too."""
        self._result = folder / f"result-{len(list(folder.glob('result-*')))}"
        self._result.touch()
        self._errors = folder / "errors.txt"
        self._is_over = False
        warm()
        self.pid = os.fork()
        if self.pid == 0:
            self._be(work, failpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_over:
            self.kill()

    def wait(self) -> int:
        """Wait until it ends or stops: its exit code, or minus the signal that did it."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return -os.WSTOPSIG(status)
        self._is_over = True
        return os.waitstatus_to_exitcode(status)

    def wake(self) -> None:
        """Let a stopped process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> int:
        """SIGKILL, and wait for it."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    @property
    def result(self) -> Any:
        """What the work returned; only after `wait` gave 0."""
        return json.loads(self._result.read_bytes())

    def _be(self, work: Callable[[], Any], failpoint: str) -> None:
        code = CRASHED
        try:
            # No process outlives its bench, not even a stopped one.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.alarm(LIMIT_S)
            errors = os.open(self._errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(errors, 1)
            os.dup2(errors, 2)
            failpoints.arm(failpoint)
            impatient()
            self._result.write_text(json.dumps(work()))
            code = 0
        except BaseException as error:  # noqa: BLE001 the end of a process: nothing is above it
            self._errors.open("a").write(traceback.format_exc())
            code = exit_code(error) if isinstance(error, BeejanError) else CRASHED
        finally:
            os._exit(code)


def carry_out(folder: Path, work: Callable[[], Any], failpoint: str = "") -> int:
    """Do `work` in a child to its end: its exit code, or minus the signal that ended or stopped it."""
    with Child(folder, work, failpoint) as child:
        return child.wait()


def append(
    settings: Settings,
    lines: Sequence[Line],
    indexes: Sequence[int],
    receipts: Path,
    group: int = 5,
    tries: int = 1,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Send the lines at `indexes`, a group at a time, as `beejan append` does; receipts as they come.

    A group that was not made durable is sent again, `tries` times in all. Asked before each group, `is_over`
    ends it.
    """
    asyncio.run(_append(settings, lines, indexes, receipts, group, tries, is_over))


async def _append(
    settings: Settings,
    lines: Sequence[Line],
    indexes: Sequence[int],
    receipts: Path,
    group: int,
    tries: int,
    is_over: Callable[[], bool],
) -> None:
    log, clock = open_log(settings)
    writer = log.writer(writer_config(settings))
    descriptor = os.open(receipts, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for begin in range(0, len(indexes), group):
            if is_over():
                break
            taken = indexes[begin : begin + group]
            envelopes = [envelope(lines[index].encoded, index + 1, "test", clock) for index in taken]
            for attempt in range(1, tries + 1):
                try:
                    await writer.append(envelopes)
                    break
                except NotDurable:
                    if attempt == tries:
                        raise
            given = [json.dumps([at, sent.event_id]) for at, sent in zip(taken, envelopes, strict=True)]
            os.write(descriptor, "".join(f"{one}\n" for one in given).encode())
    finally:
        os.close(descriptor)
        await writer.close()


def run(settings: Settings) -> None:
    """`beejan run --runtime plain --until-idle`."""
    plain.run(settings, True, lambda: False, lambda: False)


def run_until(settings: Settings, stopping: Callable[[], bool]) -> None:
    """`beejan run --runtime plain`, until it is told to stop."""
    plain.run(settings, False, stopping, lambda: False)


def run_busily(settings: Settings, grace_us: int = 0) -> None:
    """As `run`, with upkeep due every few commits instead of every few hundred."""
    hurry_upkeep(grace_us)
    run(settings)


def hurry_upkeep(grace_us: int) -> None:
    """Make every upkeep turn due every few commits, for this process."""
    maintain.EXPIRE_COMMITS, maintain.COMPACT_COMMITS, maintain.SWEEP_COMMITS = 1, 2, 2
    turns: Any = upkeep
    turns.compact = partial(turns.compact, min_files=2, open_files=2)
    turns.expire = partial(turns.expire, keep=2, grace_us=grace_us)
    turns.sweep_orphans = partial(turns.sweep_orphans, grace_us=grace_us)


def run_by_hand(
    settings: Settings, worker: WorkerConfig | None = None, state: str = "", is_leased: bool = True
) -> None:
    """As `run`, with another worker, a memory in a folder of its own, or without waiting for the lease."""
    open_stores(settings)
    folder = Home(settings.home).state / state
    folder.mkdir(exist_ok=True)
    if not is_leased:
        unleased: Any = wiring
        unleased._lease = _NoLease
    workers = LocalWorkers(worker or worker_config(settings), folder / "deciding")
    memory = Dedup(replace(dedup_config(settings), state_dir=folder), similarities)
    run_sequencer(settings, workers, memory, True, lambda: False, lambda: False)


class _NoLease:
    """Everybody may: what the lease spares is done all the same."""

    def __init__(self, *_: object) -> None:
        pass

    def acquire(self, *_: object) -> bool:
        return True

    def is_lost(self) -> bool:
        return False

    def release(self) -> None:
        pass
