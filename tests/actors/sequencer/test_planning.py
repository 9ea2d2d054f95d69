"""A plan is bounded in frames and in bytes, however many segments wait."""

from pathlib import Path

import pytest

from actors.sequencer.planning import Planner
from catalog.control.plans import Plan
from cluster.settings import Settings
from cluster.wiring import open_stores, sequencer_config
from tests.homes import append, line, small

LIMIT_BYTES = 12_000
FRAMES, SEGMENTS = 90, 5
AN_AGE_S = 3_600.0


def planned(settings: Settings, plan_bytes: int, plan_age_s: float) -> list[Plan]:
    """All plans that are due at once."""
    stores = open_stores(settings)
    config = sequencer_config(settings)._replace(plan_bytes=plan_bytes, plan_age_s=plan_age_s)
    planner, n = Planner(config, stores.log, stores.plans, stores.clock, {}), 1
    while planner.plan(n, drain=False):
        n += 1
    return stores.plans.after(0, n)


@pytest.fixture
def waiting(tmp_path: Path) -> Settings:
    """Segments of one append each: some of a few long events, one of many short ones."""
    settings = small(tmp_path, plan_rows=1_000)
    for number in range(SEGMENTS - 1):
        append(settings, [line(1_000 * number + i, "word " * 200) for i in range(10)])
    append(settings, [line(9_000 + i, f"short {i}") for i in range(FRAMES - 10 * (SEGMENTS - 1))])
    return settings


def test_a_plan_has_so_many_bytes_over_all_segments(waiting: Settings) -> None:
    plans = planned(waiting, LIMIT_BYTES, 0.0)
    sizes = [sum(cut.stop - cut.start for cut in plan.ranges) for plan in plans]
    a_frame = 2_000
    assert max(sizes) < LIMIT_BYTES + a_frame < sum(sizes) / 2
    assert sum(plan.frames for plan in plans) == FRAMES


def test_frames_of_few_bytes_are_not_cut_for_those_of_many(waiting: Settings) -> None:
    (plan,) = planned(waiting, 1 << 20, 0.0)
    assert (plan.frames, len(plan.ranges)) == (FRAMES, SEGMENTS)


def test_a_plan_full_of_bytes_waits_for_no_age(waiting: Settings) -> None:
    assert not planned(waiting, 1 << 20, AN_AGE_S)
    full = planned(waiting, LIMIT_BYTES, AN_AGE_S)
    assert 0 < sum(plan.frames for plan in full) < FRAMES
