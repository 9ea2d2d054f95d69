"""One kill at every failpoint; the campaign has thirty each."""

from __future__ import annotations

import pytest

from benchmarks.faults.bench import Outcome
from benchmarks.faults.parts import failpoints
from catalog.failpoints import REGISTRY
from tests.benchmarks.faults.conftest import CarryOut


@pytest.mark.parametrize("point", REGISTRY)
def test_a_kill_there_loses_and_doubles_nothing(point: str, carry_out: CarryOut) -> None:
    found = carry_out("failpoints", {"point": point, "kills": 1, "seed": 11})

    assert found.findings == []
    assert found.hits == {point: 1}


def test_a_campaign_kills_at_every_point_often_enough() -> None:
    meant = {point: 0 for point in REGISTRY}
    for trial in failpoints.trials(1):
        meant[trial["point"]] += trial["kills"]

    assert min(meant.values()) >= failpoints.ENOUGH


def test_a_point_that_was_spared_is_a_finding() -> None:
    enough = [Outcome([], {point: failpoints.ENOUGH}, {}) for point in REGISTRY]

    assert failpoints.judge(enough) == []
    assert failpoints.judge(enough[1:]) == [f"{next(iter(REGISTRY))} killed only 0 times"]
