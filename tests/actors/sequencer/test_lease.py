"""One sequencer at a time, and no holder that keeps everybody waiting."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.sequencer.lease import SILENT_S, Lease

HOLD = """
import sys, time
from pathlib import Path
from actors.sequencer.lease import Lease
assert Lease(Path(sys.argv[1])).acquire(time.sleep, time.monotonic, lambda: False)
print("held", flush=True)
sys.stdin.read()
"""


class Time:
    """A clock that moves when somebody pauses."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def elapsed_s(self) -> float:
        return self.now_s


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_waits_and_may_give_up(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    asked = iter([False, False, True])
    assert not Lease(tmp_path / "lock").acquire(lambda _: None, Time().elapsed_s, lambda: next(asked))
    assert holder.poll() is None


def test_the_lock_of_a_dead_holder_is_free(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    lease = Lease(tmp_path / "lock")
    assert lease.acquire(lambda _: None, Time().elapsed_s, lambda: True)
    lease.release()


def test_a_holder_that_does_not_beat_is_ended(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    os.utime(tmp_path / "lock", (1, 1))
    time = Time()
    lease = Lease(tmp_path / "lock")
    assert lease.acquire(time.pause, time.elapsed_s, lambda: False)
    assert holder.wait() == -signal.SIGKILL
    assert time.now_s > SILENT_S
    lease.release()
