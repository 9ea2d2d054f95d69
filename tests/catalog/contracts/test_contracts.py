"""What every contract promises, held on each one in the registry."""

import json
from typing import Any

import pytest

from catalog.contracts.contract import Contract
from catalog.contracts.reading import Reading, Violation
from catalog.contracts.registry import CONTRACTS

JSON = "application/json"

every = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


def sample(contract: Contract) -> dict[str, Any]:
    return dict(json.loads(contract.example))


def read(contract: Contract, payload: object) -> Reading | Violation:
    return contract.read(json.dumps(payload).encode(), JSON)


@every
def test_its_example_reads_and_says_who_and_when(contract: Contract) -> None:
    reading = contract.read(contract.example, JSON)
    assert isinstance(reading, Reading)
    assert reading.text
    assert reading.customer
    assert reading.extra == ()
    assert contract.identify(contract.example, JSON) is not None
