"""Two deployments on the same servers, both taking events, one of which ends: what was acknowledged is there,
once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.two_deployments import trial
from cluster.places import write
from cluster.stack.stack import Stack
from tests.places import on_servers


@pytest.mark.full
def test_one_effect_each_while_one_of_both_ends(stack: Stack, tmp_path: Path) -> None:
    cluster = write(on_servers(stack), tmp_path / "cluster.json")
    found = trial(tmp_path, cluster, seconds=8.0, rate=15.0, seed=1)
    acknowledged = found["acknowledged"]
    assert isinstance(acknowledged, int)
    assert acknowledged > 10
    expected = {
        "rows": acknowledged,
        "rows twice": 0,
        "acknowledged and not there": 0,
        "there and not acknowledged": 0,
        "ledger balanced": True,
        "verify": True,
        "redecide": True,
        "ended": [0, 0, 0, 0],
    }
    assert {name: found[name] for name in expected} == expected
    requests = found["requests"]
    assert isinstance(requests, dict)
    assert requests["202"] > acknowledged  # some went to both
    assert set(requests) <= {"202", "503", "refused: nobody listens"}
