"""One sequencer at a time: a lock that frees itself when its holder dies, and ends a holder that stopped.

Two sequencers at once would be safe, only wasteful; but one that was stopped inside a transaction would
keep everybody waiting for ever. So the holder beats, and who waits ends a holder that no longer does.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

BEAT_S = 1.0
SILENT_S = 15.0
"""Without a beat for so long, a holder is ended; longer than any pause of a loaded machine."""


class Lease:
    """The lock on the folder of one sequencer's state."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._ended = threading.Event()

    def acquire(
        self, pause: Callable[[float], None], elapsed_s: Callable[[], float], give_up: Callable[[], bool]
    ) -> bool:
        """Wait until the lock is ours; a holder that does not beat for SILENT_S seconds is killed.

        False when `give_up` said that waiting is no use any more.
        """
        beat, since_s = self._beat(), elapsed_s()
        while not self._try_lock():
            if give_up():
                return False
            pause(BEAT_S / 4)
            if self._beat() != beat:
                beat, since_s = self._beat(), elapsed_s()
            elif elapsed_s() - since_s > SILENT_S:
                self._end_holder()
                since_s = elapsed_s()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} {_born(os.getpid())}".encode(), 0)
        threading.Thread(target=self._keep_beating, daemon=True, name="lease").start()
        return True

    def release(self) -> None:
        """Let the next one in."""
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
