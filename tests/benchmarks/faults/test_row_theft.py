"""What was taken or forged is named, exactly, and the bench sees a `verify` that names too little."""

from __future__ import annotations

import pytest

from benchmarks.faults import bench
from benchmarks.faults.parts import bit_flips, row_theft
from cluster.checks import verify_home
from cluster.wiring import Stores
from pipelines.verify import Report

pytestmark = pytest.mark.slow


def test_exactly_what_was_taken_or_forged_is_named() -> None:
    outcome = bench.carry_out(row_theft, {"seed": 3})
    assert outcome.findings == []
    assert outcome.hits == {way.__name__: 1 for way in row_theft.WAYS}


def test_a_verify_that_names_one_too_few_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(stores: Stores) -> Report:
        report = verify_home(stores)
        return report._replace(missing=report.missing[1:], foreign=report.foreign[1:])

    monkeypatch.setattr(bit_flips, "verify_home", forgetful)
    found = "\n".join(bench.carry_out(row_theft, {"seed": 3}).findings)
    assert [way.__name__ for way in row_theft.WAYS if way.__name__ not in found] == ["row_doubled"]
