"""Two sequencers on one home: one stale, and both at full speed."""

from __future__ import annotations

import pytest

from benchmarks.faults.parts import rivals
from cluster.stack.stack import Stack
from tests.benchmarks.faults.conftest import CarryOut
from tests.daily import some

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", ["plan.inserted", "commit.staged", "ledger.staged", "publish.named"])
@pytest.mark.parametrize("rows", [True, False], ids=["rows", "no rows"])
def test_a_stale_sequencer_wakes_and_follows(point: str, rows: bool, carry_out: CarryOut) -> None:
    trial = {"kind": "stale", "point": point, "hit": 1, "rows": rows, "seed": 3}

    found = carry_out("rivals", trial)

    assert found.findings == []
    assert found.hits == {point: 1}


@pytest.mark.parametrize("seed", some(range(5), 2))
def test_two_at_full_speed_have_one_effect(seed: int, carry_out: CarryOut) -> None:
    found = carry_out("rivals", {"kind": "speed", "seed": seed})

    assert found.findings == []


@pytest.mark.full
def test_two_at_full_speed_on_servers_have_one_effect(carry_out: CarryOut, stack: Stack) -> None:
    found = carry_out("rivals", {"kind": "speed", "seed": 3}, stack)

    assert found.findings == []


def test_a_campaign_stops_one_at_every_point_with_and_without_rows() -> None:
    stale = {(trial["point"], trial["rows"]) for trial in rivals.trials(1) if trial["kind"] == "stale"}
    speed = [trial for trial in rivals.trials(1) if trial["kind"] == "speed"]

    assert stale == {(point, rows) for point in rivals.STALE for rows in (True, False)}
    assert len(speed) == 100
