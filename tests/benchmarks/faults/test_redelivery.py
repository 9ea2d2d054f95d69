"""The same events again leave no row: a slice of the campaign."""

from pathlib import Path

import pytest

from benchmarks.faults.parts import redelivery

pytestmark = pytest.mark.slow


def test_redelivered_now_and_sixty_days_later(tmp_path: Path) -> None:
    outcome = redelivery.run({"seed": 1, "events": 400}, tmp_path)
    assert outcome.findings == []
    assert outcome.facts == {
        "received": 1_602, "accepted": 400, "duplicate": 0, "quarantined": 1, "redelivered": 1_201
    }  # fmt: skip
