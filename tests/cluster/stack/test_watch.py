"""A server that was killed, or hangs, comes back by itself; one that was stopped in order stays away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest

from catalog.clock import SystemClock
from cluster.stack import daemon, lifecycle, seaweed, watch
from cluster.stack.stack import Stack
from cluster.stack.watch import ServerState, Watch
from cluster.waiting import wait
from tests.cluster.stack.test_lifecycle import PATIENCE_S, asked, pids, up
from tests.daily import some
from tests.stacks import settings_of

pytestmark = pytest.mark.slow

NAMES = list(lifecycle.NAMES)


@pytest.fixture
def stack(killed: Stack) -> Stack:
    """The servers that may be killed."""
    return killed


def watch_over(stack: Stack) -> Watch:
    return Watch(settings_of(stack.folder), SystemClock())


def look_until(watching: Watch, is_so: Callable[[dict[str, ServerState]], bool]) -> dict[str, ServerState]:
    """Look as often as a watcher does, until the states are such."""
    states: dict[str, ServerState] = {}

    def look() -> bool:
        states.update({each.name: each for each in watching.look()})
        return is_so(states)

    assert wait(look, PATIENCE_S)
    return states


def all_up(states: dict[str, ServerState]) -> bool:
    return [each.state for each in states.values()] == ["up"] * len(NAMES)


def process(stack: Stack, name: str) -> daemon.Daemon:
    found = lifecycle.started(stack, name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "number"),
    some(
        [
            *((name, signal.SIGKILL) for name in NAMES),
            *((name, signal.SIGSTOP) for name in ("seaweed", "postgres", "trino")),
        ],
        len(NAMES) + 1,
    ),
)
def test_a_server_that_ended_or_hangs_comes_back(
    stack: Stack, name: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    if number == signal.SIGSTOP and name == "trino":
        monkeypatch.setitem(watch.SILENT_S, name, 10.0)
    watching, before = watch_over(stack), pids(stack)
    look_until(watching, all_up)
    obstore.put(seaweed.store(stack, stack.keys.pipeline), "watched", name.encode())
    process(stack, name).send(number)
    states = look_until(watching, lambda found: found[name].restarts > 0)
    assert states[name].state in ("away", "silent")
    states = look_until(watching, all_up)
    assert [each.name for each in states.values() if each.restarts] == [name]
    after = pids(stack)
    assert {each for each in NAMES if after[each] != before[each]} == {name}
    kept = obstore.get(seaweed.store(stack, stack.keys.pipeline), "watched")
    assert bytes(kept.bytes()) == name.encode()
    assert asked(stack, "pipeline", "SELECT 1") == [[1]]


def test_what_was_stopped_in_order_stays_away(stack: Stack) -> None:
    watching = watch_over(stack)
    look_until(watching, all_up)
    assert lifecycle.down(settings_of(stack.folder), ["seaweed"]) == ["seaweed"]
    for _ in range(20):
        assert [each.name for each in watching.look()] == ["postgres", "trino"]
    assert up(stack) == ["seaweed"]
    look_until(watching, all_up)


def test_a_server_that_was_killed_and_is_then_stopped_stays_away(stack: Stack) -> None:
    found = process(stack, "seaweed")
    found.send(signal.SIGKILL)
    while found.is_alive():
        os.sched_yield()
    assert lifecycle.down(settings_of(stack.folder), ["seaweed"]) == []
    assert lifecycle.started(stack, "seaweed") is None
    assert not lifecycle.restart(settings_of(stack.folder), SystemClock(), "seaweed", found.pid)
    assert up(stack) == ["seaweed"]


def test_one_that_somebody_starts_by_hand_is_not_started_twice(stack: Stack) -> None:
    found = process(stack, "postgres")
    found.send(signal.SIGKILL)
    while found.is_alive():
        os.sched_yield()
    watching = watch_over(stack)
    watching.look()  # begins its own start beside this one
    up(stack)
    look_until(watching, all_up)
    named = [
        each for each in Path("/proc").glob("[0-9]*/cmdline") if is_first(each, f"{stack.folder}/postgres")
    ]
    assert len(named) == 1


def is_first(path: Path, folder: str) -> bool:
    """Whether it is PostgreSQL's first process over a folder: the others have other words."""
    try:
        words = path.read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words[0].endswith(b"/postgres") and folder.encode() in words


def test_looking_waits_for_nobody(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()

    def never(*_: object) -> bool:
        held.wait()
        return True

    monkeypatch.setattr(lifecycle, "answers", never)
    monkeypatch.setattr(lifecycle, "restart", never)
    watching = watch_over(stack)
    try:
        assert {each.state for each in watching.look()} == {"starting"}
        assert {each.state for each in watching.look()} == {"starting"}
    finally:
        held.set()


def test_where_nothing_was_started_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert Watch(settings_of(tmp_path), SystemClock()).look() == []
    Stack.create(tmp_path)
    assert Watch(settings_of(tmp_path), SystemClock()).look() == []
