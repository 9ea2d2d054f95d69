"""A call that fails once costs no acknowledged event, and the bench sees a product that overlooks it."""

from __future__ import annotations

import os

import pytest

from benchmarks.faults import bench
from benchmarks.faults.parts import io_error

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("append", "fdatasync:error=EIO:when=4"),
        ("append", "pwrite64:error=ENOSPC:when=7"),
        ("run", "fdatasync:error=EIO:when=20"),
        ("run", "write:error=ENOSPC:when=9"),
    ],
)
def test_a_failing_call_costs_nothing_and_needs_nobody(command: str, fault: str) -> None:
    outcome = bench.carry_out(io_error, {"seed": 3, "command": command, "fault": fault})
    assert outcome.findings == []
    assert set(outcome.hits.values()) == {1}


def test_a_writer_that_overlooks_a_failed_sync_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fdatasync

    def overlooked(descriptor: int) -> None:
        try:
            sync(descriptor)
        except OSError:
            return

    monkeypatch.setattr(os, "fdatasync", overlooked)
    trial = {"seed": 3, "command": "append", "fault": "fdatasync:error=EIO:when=4"}
    findings = bench.carry_out(io_error, trial).findings
    assert [found for found in findings if found.endswith("append did not notice")]


def test_every_call_is_tried() -> None:
    faults = {(given["command"], given["fault"].partition(":")[0]) for given in io_error.trials(1)}
    assert faults == {(name, call) for name, calls in io_error.CALLS.items() for call in calls}
