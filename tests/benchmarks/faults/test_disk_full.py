"""A full disk under any folder of a home: no false receipt, a word of what is waited for, and on it goes."""

from __future__ import annotations

import os

import pytest

from benchmarks.faults import bench
from benchmarks.faults.parts import disk_full
from catalog.log import files

pytestmark = pytest.mark.slow


def trial(disk: str, is_running: bool, spare_bytes: int = 0) -> bench.Trial:
    return {"seed": 3, "disk": disk, "spare_bytes": spare_bytes, "is_running": is_running}


@pytest.mark.parametrize(
    ("disk", "is_running", "spare_bytes"),
    [
        ("raw", False, 0),
        ("warehouse", True, 11_000),
        ("state", True, 15_000),
        ("home", True, 0),
    ],
)
def test_the_sequencer_waits_and_goes_on(disk: str, is_running: bool, spare_bytes: int) -> None:
    outcome = bench.carry_out(disk_full, trial(disk, is_running, spare_bytes))
    assert outcome.findings == []
    assert outcome.hits == {f"{disk}: refused": 0, f"{disk}: waited": 1}


def test_a_sequencer_that_cannot_start_says_so_in_a_line() -> None:
    assert bench.carry_out(disk_full, trial("home", False)).findings == []


def test_the_door_refuses() -> None:
    outcome = bench.carry_out(disk_full, trial("log", True))
    assert outcome.findings == []
    assert outcome.hits["log: refused"] == 1


def test_a_door_that_overlooks_a_short_write_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def overlooked(descriptor: int, content: bytes, offset: int) -> None:
        try:
            os.pwrite(descriptor, content, offset)
        except OSError:
            return

    monkeypatch.setattr(files, "write_at", overlooked)
    findings = bench.carry_out(disk_full, trial("log", False)).findings
    assert [found for found in findings if found.endswith("has 0 rows")]


@pytest.mark.parametrize(
    ("code", "given", "said"),
    [
        (0, 3, []),
        (1, 0, ["Traceback (most recent call last):"]),
        (3, 5, ["Traceback", "beejan: full: nothing was acknowledged"]),
        (3, 0, ["beejan: no"]),
    ],
)
def test_an_unclear_refusal_is_a_finding(code: int, given: int, said: list[str]) -> None:
    assert disk_full.refusal(code, given, 4, said)
    assert not disk_full.refusal(3, 0, 4, ["beejan: full: nothing was acknowledged"])


@pytest.mark.parametrize(
    ("code", "said"), [(70, []), (0, ["Traceback"]), (1, ["Traceback", "beejan: no"]), (-15, [])]
)
def test_a_run_that_ends_otherwise_is_a_finding(code: int, said: list[str]) -> None:
    assert disk_full.ending(code, said)
    assert not disk_full.ending(0, [f"{disk_full.WAITING}no room"])
    assert not disk_full.ending(1, ["beejan: no room"])
