"""One kill at every failpoint; the campaign has thirty each."""

from __future__ import annotations

import pytest

from benchmarks.faults.bench import Outcome
from benchmarks.faults.parts import failpoints
from catalog.failpoints import REGISTRY
from cluster.settings import PROFILES
from cluster.stack.stack import Stack
from tests.benchmarks.faults.conftest import CarryOut
from tests.daily import some

pytestmark = pytest.mark.slow


HOMES = [(profile, points) for profile in PROFILES for points in failpoints.together(profile)]
DAILY = len(failpoints.together("embedded")) + 2
"""All of the files', and two on the servers."""


@pytest.mark.parametrize(
    ("profile", "points"), some(HOMES, DAILY), ids=[f"{profile}-{points[0]}" for profile, points in HOMES]
)
def test_a_kill_there_loses_and_doubles_nothing(
    profile: str, points: list[str], carry_out: CarryOut, request: pytest.FixtureRequest
) -> None:
    stack: Stack | None = request.getfixturevalue("stack") if profile == "cluster" else None

    found = carry_out("failpoints", {"points": points, "seed": 11}, stack)

    assert found.findings == []
    assert found.hits == dict.fromkeys(points, 1)


def test_no_point_is_left_out() -> None:
    for profile in PROFILES:
        assert sorted(point for each, points in HOMES if each == profile for point in points) == sorted(
            failpoints.points(profile)
        )


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
