"""The same flow as Ray actors: the same decisions, and deaths that cost time only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults.parts import ray_kills
from cluster import presence, rayed
from cluster.checks import ledger_home, redecide_home, verify_home
from cluster.home import Home
from cluster.stop import Stop
from cluster.wiring import open_stores
from tests.homes import append, line, small

pytestmark = pytest.mark.slow


class Unheard(Stop):
    """Nobody tells a test to stop, and its process keeps its own signals."""

    def listen(self) -> None:
        """Do not."""


def test_four_workers_and_a_memory_that_keeps_dying_decide_the_same(tmp_path: Path) -> None:
    settings = small(tmp_path, flow_workers=4, batch_rows=64, failpoint="dedup.promoted:kill@4")
    texts = {i: f"the same words for all of them, number {i % 5}" for i in range(0, 500, 3)}
    lines = [line(i, texts.get(i, "")) for i in range(500)]
    append(settings, [*lines, *lines])
    assert rayed.run(settings, True, Unheard(), lambda: False)
    stores = open_stores(settings)
    names = [each["name"] for each in presence.living(Home(tmp_path))]
    assert names == ["dedup", "driver", "sequencer", "worker-0", "worker-1", "worker-2", "worker-3"]
    assert verify_home(stores).ok
    ledger = ledger_home(stores)
    assert (ledger.commit_seq, ledger.balanced) == (20, True)
    assert ledger.total["redelivered"] == 500
    # Decided with one worker, frame by frame, by a memory that never died.
    plain = replace(settings, batch_rows=1, failpoint="")
    assert redecide_home(plain) == (True, 500, [])


def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    outcome = ray_kills.run({"seed": 7, "kills": 5}, tmp_path)
    assert outcome.findings == []
    assert sum(outcome.hits.values()) == 5
