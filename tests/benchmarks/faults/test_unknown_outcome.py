"""An error where the effect has happened, and where it has not."""

from __future__ import annotations

import pytest

from cluster.stack.stack import Stack
from tests.benchmarks.faults.conftest import CarryOut

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", ["commit.swapped", "ledger.swapped", "file.synced", "publish.deleted"])
def test_the_product_looks_before_it_repeats(point: str, carry_out: CarryOut) -> None:
    found = carry_out("unknown_outcome", {"point": point, "hit": 2, "seed": 5})

    assert found.findings == []
    assert found.hits == {point: 1}


@pytest.mark.full
def test_the_product_looks_before_it_repeats_on_servers(carry_out: CarryOut, stack: Stack) -> None:
    found = carry_out("unknown_outcome", {"point": "commit.swapped", "hit": 2, "seed": 5}, stack)

    assert found.findings == []
    assert found.hits == {"commit.swapped": 1}
