"""Crashes as timelines: a process appends, dies or is stopped somewhere, and somebody takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog import failpoints
from catalog.errors import SegmentLocked
from tests.catalog.log.builders import envelope, envelopes, file_of, open_log, open_writer, write_live

REPOSITORY = Path(__file__).parents[3]
FLUSH = ["log.created", "log.named", "log.written", "log.synced", "log.published"]
SEAL = ["log.footer", "log.sealed"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "log"


@contextmanager
def child(root: Path, groups: int, failpoint: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.catalog.log.child", str(root), str(groups), failpoint, *more]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], lines: int) -> None:
    assert process.stdin is not None
    process.stdin.write("\n" * lines)
    process.stdin.flush()


def acknowledged(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(word) for line in process.stdout for word in line.split() if word.isdigit()]


def recovered(root: Path) -> list[int]:
    """Take over every segment; the numbers of the events in the log."""
    log = open_log(root)
    log.sweep()
    for segment in log.segments():
        log.recover(segment.name)
    return readable(root)


def readable(root: Path) -> list[int]:
    log = open_log(root)
    located = [
        one for segment in log.segments() for one in log.read(segment.name, segment.start, segment.end)
    ]
    return sorted(one.envelope.received_us - envelope(0).received_us for one in located if one.envelope)


@pytest.mark.parametrize("point", [*FLUSH, *SEAL])
def test_a_crash_at_any_step_loses_nothing_that_was_acknowledged(root: Path, point: str) -> None:
    hit = 1 if point in ("log.created", "log.named", *SEAL) else 2
    with child(root, 2, f"{point}:kill@{hit}") as process:
        tell(process, 3)
        acks = acknowledged(process)
        assert process.wait() == -signal.SIGKILL
    assert acks == [n for n in range(4) if point in SEAL or (hit == 2 and n < 2)]
    before = readable(root)
    assert set(acks) <= set(before)
    after = recovered(root)
    assert after in ([], [0, 1], [0, 1, 2, 3])
    assert set(before) <= set(after)
    assert recovered(root) == after
    assert {path.suffix for path in root.iterdir()} <= {".sealed"}


def test_the_failpoints_of_the_log_are_the_ones_tried_here() -> None:
    assert {name for name in failpoints.REGISTRY if name.startswith("log.")} == {*FLUSH, *SEAL, "log.cut"}


@pytest.mark.parametrize(("point", "hit"), [("log.cut", 1), ("log.footer", 1), ("log.sealed", 1)])
def test_a_crash_while_recovering_is_recovered(root: Path, point: str, hit: int) -> None:
    segment = write_live(root, [envelopes(1, 2)])
    with file_of(root, segment).open("ab") as file:
        file.write(bytes(100))
    dead = os.fork()
    if dead == 0:
        try:
            failpoints.arm(f"{point}:kill@{hit}")
            open_log(root).recover(segment)
        finally:  # an error must not make a second pytest of it
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(dead, 0)[1]) == -signal.SIGKILL
    assert recovered(root) == [1, 2]
    assert open_log(root).salvage(segment)[1] == []


def test_a_stopped_writer_keeps_its_segment_and_wakes_to_tell_the_truth(root: Path) -> None:
    with child(root, 3, "log.written:stop@2") as process:
        tell(process, 2)
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["0", "1"]
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        log = open_log(root)
        (live,) = log.segments()
        with pytest.raises(SegmentLocked):
            log.recover(live.name)
        assert log.sweep() == []
        assert readable(root) == [0, 1]
        assert file_of(root, live.name).stat().st_size > live.end
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline().split() == ["2", "3"]
        assert readable(root) == [0, 1, 2, 3]
        tell(process, 2)
        assert acknowledged(process) == [4, 5]
        assert process.wait() == 0
    assert recovered(root) == list(range(6))


def test_a_stopped_writer_that_dies_is_taken_over(root: Path) -> None:
    with child(root, 2, "log.synced:stop@2") as process:
        tell(process, 2)
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["0", "1"]
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        process.kill()
        process.wait()
    assert recovered(root) == [0, 1, 2, 3]


def test_a_forked_child_keeps_no_lock_and_cannot_write(root: Path) -> None:
    with child(root, 1, "", "fork") as process:
        assert process.stdout is not None
        lines = dict(process.stdout.readline().split(maxsplit=1) for _ in range(2))
        assert set(lines) == {"child", "refused:"}
        (live,) = open_log(root).segments()
        with pytest.raises(SegmentLocked):
            open_log(root).recover(live.name)
        process.kill()
        process.wait()
        os.kill(int(lines["child"]), 0)  # it lives on, until its input ends
        assert open_log(root).recover(live.name).sealed
        assert readable(root) == [0, 1]


def test_a_fork_in_the_parent_changes_nothing_for_it(root: Path) -> None:
    async def steps() -> None:
        writer = open_writer(root)
        await writer.append(envelopes(1))
        dead = os.fork()
        if dead == 0:
            os._exit(0)
        os.waitpid(dead, 0)
        await writer.append(envelopes(2))
        (live,) = open_log(root).segments()
        with pytest.raises(SegmentLocked):
            open_log(root).recover(live.name)
        await writer.close()

    asyncio.run(steps())
    assert readable(root) == [1, 2]
