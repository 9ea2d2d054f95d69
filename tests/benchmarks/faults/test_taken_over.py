"""A stopped writer's segment is taken over behind its back; the product is held to what was acknowledged."""

from __future__ import annotations

import pytest

from cluster.stack.stack import Stack
from tests.benchmarks.faults.conftest import CarryOut

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("point", "tries"), [("log.synced", 1), ("object.synced", 2)])
def test_a_woken_writer_says_the_truth(point: str, tries: int, carry_out: CarryOut, stack: Stack) -> None:
    found = carry_out("taken_over", {"point": point, "hit": 2, "tries": tries, "seed": 7}, stack)

    assert found.findings == []
    assert found.hits == {point: 1}
