"""One sequencer at a time, on one machine or several, and no holder that keeps everybody waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text

from actors.sequencer.lease import SILENT_S, FileLease, Lease
from catalog import sql
from catalog.control.lease import RowLease
from catalog.control.schema import open_control
from cluster.stack.stack import Stack
from tests.places import on_servers

HOLD = """
import os, sys, time
from tests.actors.sequencer.test_lease import Kind
lease = Kind(*sys.argv[1:]).lease(time.monotonic)
assert lease.acquire(time.sleep, lambda: False)
print("held", flush=True)
while not lease.is_lost():
    time.sleep(0.05)
print("lost", flush=True)
"""


class Time:
    """A clock that moves when somebody pauses."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def elapsed_s(self) -> float:
        return self.now_s


class Kind(NamedTuple):
    """A lease in a file or a row, and how it looks when its holder has not beaten for long."""

    name: str
    where: str

    def lease(self, elapsed_s: object) -> Lease:
        if self.name == "file":
            return FileLease(Path(self.where), elapsed_s)  # type: ignore[arg-type]
        return RowLease(open_control(self.where), "sequencer")

    def silence(self) -> None:
        if self.name == "file":
            os.utime(self.where, (1, 1))
            return
        with sql.engine(self.where).begin() as connection:
            connection.execute(text(f"UPDATE leases SET beat_at = beat_at - interval '{SILENT_S + 1} s'"))


@pytest.fixture(params=["file", "row"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "file":
        return Kind("file", str(tmp_path / "lock"))
    return Kind("row", on_servers(request.getfixturevalue("stack")).control_url)


@pytest.fixture
def holder(kind: Kind) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, *kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_waits_and_may_give_up(holder: subprocess.Popen[str], kind: Kind) -> None:
    asked = iter([False, False, True])
    assert not kind.lease(Time().elapsed_s).acquire(lambda _: None, lambda: next(asked))
    assert holder.poll() is None


def test_what_was_given_back_is_free(kind: Kind) -> None:
    for _ in range(2):
        lease = kind.lease(Time().elapsed_s)
        assert lease.acquire(lambda _: None, lambda: True)
        assert not lease.is_lost()
        lease.release()


def test_the_lease_of_a_dead_holder_is_free(holder: subprocess.Popen[str], kind: Kind) -> None:
    holder.kill()
    holder.wait()
    kind.silence()
    lease = kind.lease(Time().elapsed_s)
    assert lease.acquire(lambda _: None, lambda: True)
    lease.release()


def test_a_holder_that_does_not_beat_has_lost_it(holder: subprocess.Popen[str], kind: Kind) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    kind.silence()
    time = Time()
    lease = kind.lease(time.elapsed_s)
    assert lease.acquire(time.pause, lambda: False)
    os.kill(holder.pid, signal.SIGCONT)
    assert holder.stdout is not None
    # Ended on its own machine; from another one it is told, at its next beat.
    assert holder.stdout.readline() == ("" if kind.name == "file" else "lost\n")
    assert not lease.is_lost()
    assert kind.name != "file" or (holder.wait() == -signal.SIGKILL and time.now_s > SILENT_S)
    lease.release()


def test_of_many_that_ask_one_gets_it(holder: subprocess.Popen[str], kind: Kind) -> None:
    holder.kill()
    holder.wait()
    kind.silence()
    leases = [kind.lease(Time().elapsed_s) for _ in range(5)]
    taken = [lease.acquire(lambda _: None, lambda: True) for lease in leases]
    assert taken.count(True) == 1
    leases[taken.index(True)].release()


def test_a_beat_of_a_clock_that_was_set_back_since_keeps_nobody_waiting(stack: Stack) -> None:
    url = on_servers(stack).control_url
    with open_control(url).begin() as connection:
        connection.execute(text("INSERT INTO leases VALUES ('sequencer', 'dead', now() + interval '1 hour')"))
    lease = RowLease(open_control(url), "sequencer")
    assert lease.acquire(lambda _: None, lambda: True)
    lease.release()


def test_a_database_that_is_away_is_waited_for() -> None:
    away = sql.engine("postgresql+psycopg://nobody:secret@127.0.0.1:1/none")
    asked = iter([False, True])
    assert not RowLease(away, "sequencer").acquire(lambda _: None, lambda: next(asked))
