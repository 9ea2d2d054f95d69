"""One sequencer at a time: a lease that is free again once its holder died or stopped.

Two sequencers at once would be safe, only wasteful. So the holder beats, and who waits takes the lease from
a holder that no longer does. On one machine that holder is ended, too: stopped inside a transaction of
SQLite it would keep everybody waiting for ever. (`catalog.control.lease` is the one between machines.)
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from catalog.control.lease import BEAT_S, SILENT_S


class Lease(Protocol):
    """The right to be the sequencer."""

    def acquire(self, pause: Callable[[float], object], give_up: Callable[[], bool]) -> bool:
        """Wait until it is ours: free, or of a holder without a beat for SILENT_S seconds. False when
        `give_up` said that waiting is no use any more."""
        ...

    def is_lost(self) -> bool:
        """Whether another one took it from us meanwhile."""
        ...

    def release(self) -> None:
        """Let the next one in."""
        ...


class FileLease:
    """A `Lease` for the processes of one machine: the lock on a file."""

    def __init__(self, path: Path, elapsed_s: Callable[[], float]) -> None:
        self._path = path
        self._elapsed_s = elapsed_s
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._ended = threading.Event()

    def acquire(self, pause: Callable[[float], object], give_up: Callable[[], bool]) -> bool:
        """See `Lease`; a holder that does not beat is killed."""
        beat, since_s = self._beat(), self._elapsed_s()
        while not self._try_lock():
            if give_up():
                return False
            pause(BEAT_S / 4)
            if self._beat() != beat:
                beat, since_s = self._beat(), self._elapsed_s()
            elif self._elapsed_s() - since_s > SILENT_S:
                self._end_holder()
                since_s = self._elapsed_s()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} {_born(os.getpid())}".encode(), 0)
        threading.Thread(target=self._keep_beating, daemon=True, name="lease").start()
        return True

    def is_lost(self) -> bool:
        """Never: who takes the lock has ended its holder."""
        return False

    def release(self) -> None:
        """See `Lease`."""
        self._ended.set()
        os.close(self._descriptor)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _beat(self) -> int:
        return os.fstat(self._descriptor).st_mtime_ns

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(OSError):  # the next beat may get through
                os.utime(self._path)

    def _end_holder(self) -> None:
        # The lock is held, so the file names its holder; the birth time guards against a reused pid.
        pid_text, _, born = os.pread(self._descriptor, 64, 0).decode().partition(" ")
        if pid_text.isdigit() and born and _born(int(pid_text)) == born:
            with suppress(ProcessLookupError):
                os.kill(int(pid_text), signal.SIGKILL)


def _born(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
