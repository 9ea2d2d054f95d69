"""A writer stopped in the middle of a group keeps its segment; a killed one leaves it."""

from __future__ import annotations

import pytest

from tests.benchmarks.faults.conftest import CarryOut

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("wakes", [True, False], ids=["woken", "killed"])
@pytest.mark.parametrize("point", ["log.written", "log.published"])
def test_nobody_takes_over_and_receipts_stay_true(point: str, wakes: bool, carry_out: CarryOut) -> None:
    found = carry_out("stopped_writer", {"point": point, "hit": 4, "wakes": wakes, "seed": 7})

    assert found.findings == []
    assert found.hits == {point: 1}
