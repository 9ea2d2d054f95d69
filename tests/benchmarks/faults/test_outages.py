"""A slice of the campaign against the processes of a product that is up."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.bench import Outcome
from benchmarks.faults.parts import outages
from tests.daily import some

LIVES = [["proxy", "raylet"], ["ingest replica", "supervisor"]]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", some(LIVES, 1), ids=" and ".join)
def test_whatever_dies_under_load_comes_back_and_nothing_is_lost(
    kinds: list[str], tmp_path: Path, own_ports: None
) -> None:
    planned = [[kind, "SIGKILL"] for kind in kinds]
    outcome = outages.run({"outages": planned, "seed": 1, "patience": 10}, tmp_path)
    assert outcome.findings == []
    assert sum(outcome.hits.values()) == len(kinds)


def test_the_campaign_kills_and_stops_every_kind_of_process() -> None:
    planned = [(kind, name) for trial in outages.trials(1) for kind, name in trial["outages"]]
    for kind in outages.kinds():
        assert planned.count((kind, "SIGKILL")) >= 3
        assert planned.count((kind, "SIGSTOP")) >= 1
    assert "the proxy was never killed" in outages.judge([Outcome([], {"raylet": 1}, {})])
