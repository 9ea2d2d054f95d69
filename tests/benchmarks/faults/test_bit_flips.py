"""A flipped bit is seen wherever it is, and the bench sees a `verify` or a recovery that looks away."""

from __future__ import annotations

import pytest

from benchmarks.faults import bench
from benchmarks.faults.parts import bit_flips
from catalog.log import recovery
from catalog.log.frames import HEADER_BYTES
from catalog.log.reader import SegmentReader
from pipelines.verify import Report

pytestmark = pytest.mark.slow


def trial(*places: str) -> bench.Trial:
    """One flip in the middle of a file of each place."""
    return {"seed": 3, "flips": [{"place": place, "file": 0.0, "bit": 0.2} for place in places]}


def test_every_flip_is_seen_and_none_is_cut_away() -> None:
    outcome = bench.carry_out(bit_flips, trial(*bit_flips.PLACES))
    assert outcome.findings == []
    assert {place: outcome.hits[place] for place in bit_flips.PLACES} == dict.fromkeys(bit_flips.PLACES, 1)


def test_a_verify_that_looks_away_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bit_flips, "verify_home", lambda _stores: Report(True, [], [], [], [], 0))
    findings = bench.carry_out(bit_flips, trial("sealed", "raw")).findings
    assert [found.rpartition(": ")[2] for found in findings] == ["verify is green"] * 2


def test_a_recovery_that_cuts_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(reader: SegmentReader, size: int, *_: object) -> recovery.Found:
        whole = 0
        for offset, body in reader.walk(HEADER_BYTES, size):
            if body is None:
                return recovery.Found(offset, whole)
            whole += 1
        return recovery.Found(size, whole)

    monkeypatch.setattr(recovery, "_frames_of", cut)
    (finding,) = bench.carry_out(bit_flips, trial("live")).findings
    assert "acknowledged events without a word" in finding


def test_the_campaign_is_two_hundred_flips() -> None:
    assert sum(len(given["flips"]) for given in bit_flips.trials(1)) == 200
