"""One kill at every failpoint; the campaign has thirty each."""

from __future__ import annotations

import pytest

from benchmarks.faults.bench import Outcome
from benchmarks.faults.parts import failpoints
from catalog.failpoints import REGISTRY
from cluster.settings import PROFILES
from cluster.stack.stack import Stack
from tests.benchmarks.faults.conftest import CarryOut


@pytest.mark.parametrize("point", REGISTRY)
def test_a_kill_there_loses_and_doubles_nothing(point: str, carry_out: CarryOut) -> None:
    found = carry_out("failpoints", {"points": [point], "seed": 11})

    assert found.findings == []
    assert found.hits == {point: 1}


@pytest.mark.parametrize("points", [["log.synced", "log.sealed"], ["commit.swapped", "publish.manifest"]])
def test_a_kill_there_loses_and_doubles_nothing_on_servers(
    points: list[str], carry_out: CarryOut, stack: Stack
) -> None:
    found = carry_out("failpoints", {"points": points, "seed": 11}, stack)

    assert found.findings == []
    assert found.hits == dict.fromkeys(points, 1)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_campaign_kills_at_every_point_often_enough(profile: str) -> None:
    meant = dict.fromkeys(failpoints.points(profile), 0)
    for trial in failpoints.trials(1, profile):
        for point in trial["points"]:
            meant[point] += 1

    assert min(meant.values()) >= failpoints.ENOUGH[profile]


def test_a_point_that_was_spared_is_a_finding() -> None:
    enough = [Outcome([], {point: failpoints.ENOUGH["embedded"]}, {}) for point in REGISTRY]

    assert failpoints.judge(enough) == []
    assert failpoints.judge(enough[1:]) == [f"{next(iter(REGISTRY))} killed only 0 times"]
