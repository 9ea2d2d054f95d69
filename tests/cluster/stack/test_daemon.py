"""A server in the background is known by more than its number, and only it is ever signalled."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.stack.daemon import Daemon, noted, start
from cluster.stack.server import environment

SLEEPER = ("/bin/sh", "-c", "echo awake; exec sleep 600")


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Daemon]:
    """A process that would stay."""
    started = start(tmp_path / "note", tmp_path / "log", SLEEPER, environment())
    yield started
    started.send(signal.SIGKILL)
    until_gone(started)


def until_gone(daemon: Daemon) -> None:
    """Wait for the end of a child of ours."""
    while daemon.is_alive():
        os.sched_yield()


def until_noted(note: Path) -> Daemon:
    """What the process wrote of itself, once it has."""
    while (found := noted(note)) is None:
        os.sched_yield()
    return found


def test_it_notes_itself_and_leads_a_session_of_its_own(sleeper: Daemon, tmp_path: Path) -> None:
    assert until_noted(tmp_path / "note") == sleeper
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_it_ends_by_a_signal_and_its_note_names_nobody_then(sleeper: Daemon, tmp_path: Path) -> None:
    until_noted(tmp_path / "note")
    sleeper.send(signal.SIGTERM)
    until_gone(sleeper)
    assert noted(tmp_path / "note") is None


@pytest.mark.parametrize("field", ["started", "boot"])
def test_a_stranger_with_its_number_is_never_signalled(field: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        ours = start_of(stranger.pid)
        changed = {"started": ours.started - 1, "boot": "another"}
        former = ours._replace(**{field: changed[field]})
        former.send(signal.SIGKILL)
        assert not former.is_alive()
        assert ours.is_alive()
        ours.send(signal.SIGKILL)
        assert stranger.wait() == -signal.SIGKILL


def start_of(pid: int) -> Daemon:
    """A process by what the system says of it."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Daemon(pid, int(stat[19]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def test_what_the_one_before_said_is_kept(sleeper: Daemon, tmp_path: Path) -> None:
    log = tmp_path / "log"
    while log.read_text() != "awake\n":
        os.sched_yield()
    sleeper.send(signal.SIGKILL)
    until_gone(sleeper)
    again = start(tmp_path / "note", log, SLEEPER, environment())
    again.send(signal.SIGKILL)
    until_gone(again)
    assert log.with_suffix(".before").read_text() == "awake\n"


def test_nothing_of_the_callers_environment_reaches_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    until_gone(start(tmp_path / "note", log, ("/usr/bin/env",), environment(LIMIT="1")))
    names = {line.partition("=")[0] for line in log.read_text().splitlines()}
    assert names == {"PATH", "LANG", "TZ", "LIMIT"} | (names & {"PWD", "_", "SHLVL", "OLDPWD"})


def test_its_memory_is_known_while_it_lives(sleeper: Daemon) -> None:
    assert sleeper.peak_bytes() > 0
    sleeper.send(signal.SIGKILL)
    until_gone(sleeper)
    assert sleeper.peak_bytes() == 0


def test_a_note_that_a_power_cut_left_without_content_names_nobody(tmp_path: Path) -> None:
    for content in ("", "\0\0\0", "17 (sh) S 1"):
        (tmp_path / "note").write_text(content)
        assert noted(tmp_path / "note") is None


def test_it_runs_in_no_folder_of_its_caller(sleeper: Daemon, tmp_path: Path) -> None:
    """Where programs would look for their settings first."""
    until_noted(tmp_path / "note")
    assert Path(f"/proc/{sleeper.pid}/cwd").readlink() == Path("/")
