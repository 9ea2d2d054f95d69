"""The processes of a session, told from all others."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.settings import Settings
from cluster.stack import daemon
from cluster.stack.daemon import Daemon
from cluster.supervisor import processes
from cluster.waiting import wait

WAIT_S = 60.0
SLEEP = "import signal; signal.pause()"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{SLEEP}']); {SLEEP}"
"""Has a child, as Ray's processes have."""


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[Daemon]:
    """The leader of a session of two."""
    command = (sys.executable, "-c", PARENT)
    found = daemon.start(tmp_path / "note", tmp_path / "log", command, os.environ)
    assert wait(lambda: len(children(found)) == 1, WAIT_S)
    yield found
    processes.end(found)


def children(leader: Daemon) -> list[int]:
    """The processes of the session beside its leader."""
    return [each.pid for each in processes.session(leader) if each.pid != leader.pid]


def test_a_session_is_known_after_its_leader_has_died(leader: Daemon, tmp_path: Path) -> None:
    assert os.getpid() not in {each.pid for each in processes.session(leader)}
    os.kill(leader.pid, signal.SIGKILL)
    assert wait(lambda: not leader.is_alive(), WAIT_S)
    named = daemon.named(tmp_path / "note")
    assert named == leader
    assert children(leader)
    processes.end(leader)
    assert processes.session(leader) == []


def test_a_stopped_process_is_seen(leader: Daemon) -> None:
    pid = children(leader)[0]
    os.kill(pid, signal.SIGSTOP)
    assert wait(lambda: [each.pid for each in processes.session(leader) if each.is_stopped] == [pid], WAIT_S)


def test_a_number_that_was_given_away_is_nobody_of_ours(leader: Daemon) -> None:
    assert processes.session(leader._replace(started=leader.started - 1)) == []
    assert processes.session(leader._replace(boot="another")) == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["/x/ray/gcs/gcs_server", "--log_dir=/tmp"], "gcs"),
        (["/x/ray/raylet/raylet", "--head"], "raylet"),
        (["python", "/x/ray/dashboard/dashboard.py", "--host=127.0.0.1"], "dashboard"),
        (["python", "-u", "/x/ray/_private/log_monitor.py"], "log monitor"),
        (["ray::SequencerActor.run"], "sequencer"),
        (["ray::ServeReplica:ingest:ingest"], "ingest replica"),
        (["ray::ServeReplica:lookup:lookup"], "lookup replica"),
        (["python", "-m", "cluster.supervisor.generation", "/tmp/beejan-1"], "driver"),
        (["ray::IDLE"], "other"),
    ],
)
def test_a_process_has_the_name_that_people_use(words: list[str], name: str) -> None:
    assert processes.named(words) == name


def test_every_process_that_is_watched_has_a_name() -> None:
    assert {*processes.OWN, *processes.expected(Settings())} <= set(processes.NAMES.values())
