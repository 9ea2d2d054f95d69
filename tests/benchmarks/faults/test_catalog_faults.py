"""PostgreSQL ends connections and goes away under load; the product is held to what was acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.stack.stack import Stack
from tests.benchmarks.faults.conftest import CarryOut
from tests.daily import some

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "trouble", some([{"kind": "terminate", "times": 5}, {"kind": "restart", "times": 1}], 1)
)
def test_a_failing_database_loses_and_doubles_nothing(
    trouble: dict[str, Any], carry_out: CarryOut, stack: Stack
) -> None:
    found = carry_out("catalog_faults", trouble | {"seed": 7}, stack)

    assert found.findings == []
    assert found.hits == {trouble["kind"]: trouble["times"]}
    assert found.facts["rows"] > 0
