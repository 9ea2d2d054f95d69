"""What becomes of each channel's payloads, in files a channel's owner can read and add to.

A case is the contract's example with some fields changed (`change`, by dotted path), and either what is
read of it (`gives`) or what is said to be wrong (`reason` and `field`).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.contracts.contract import Contract
from catalog.contracts.reading import Reading, Violation
from catalog.contracts.registry import CONTRACTS

CASES = [
    pytest.param(CONTRACTS[f"{path.stem}/1"], json.loads(line), id=f"{path.stem}: {json.loads(line)['why']}")
    for path in sorted((Path(__file__).parent / "cases").glob("*.jsonl"))
    for line in path.read_text("utf-8").splitlines()
]


def changed(contract: Contract, change: dict[str, object]) -> bytes:
    payload: dict[str, Any] = json.loads(contract.example)
    for path, value in change.items():
        holder, names = payload, path.split(".")
        for name in names[:-1]:
            holder = holder[name]
        holder[names[-1]] = value
    return json.dumps(payload).encode()


@pytest.mark.parametrize(("contract", "case"), CASES)
def test_case(contract: Contract, case: dict[str, Any]) -> None:
    found = contract.read(changed(contract, case["change"]), "application/json")
    if "gives" in case:
        assert isinstance(found, Reading), found
        told = found._asdict() | found.place._asdict()
        assert {name: _plain(told[name]) for name in case["gives"]} == case["gives"]
    else:
        assert isinstance(found, Violation)
        assert (found.reason, found.field) == (case["reason"], case["field"])
        for name in {"text", "event_us"} & case.keys():
            assert getattr(found, name) == case[name]


def _plain(value: object) -> object:
    return [list(part) for part in value] if isinstance(value, tuple) else value


def test_every_contract_has_cases() -> None:
    assert {str(case.values[0].name) for case in CASES if isinstance(case.values[0], Contract)} == set(
        CONTRACTS
    )
