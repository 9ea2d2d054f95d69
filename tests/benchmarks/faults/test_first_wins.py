"""The same id with other bytes, around kills and with a backlog: the first acknowledged wins."""

from __future__ import annotations

from tests.benchmarks.faults.conftest import CarryOut


def test_the_first_bytes_acknowledged_are_the_accepted_ones(carry_out: CarryOut) -> None:
    found = carry_out("first_wins", {"pairs": 30, "seed": 5})

    assert found.findings == []
    assert found.hits["pairs"] == 30
    assert found.hits["kills"] > 3
