"""The provider's id goes first, then the client's key, then the natural key; else one is minted."""

import pytest

from catalog.contracts.registry import CONTRACTS
from catalog.ids import Kind, event_id

SID, NATURAL = b'{"id":"p-1"}', b'{"call_id":"n-1"}'


@pytest.mark.parametrize(
    ("name", "payload", "key", "kind", "value"),
    [
        ("plain/1", SID, None, "provider", "p-1"),
        ("plain/1", SID, "k", "provider", "p-1"),
        ("plain/1", b"{}", "k", "idempotency_key", "k"),
        ("plain/1", b"\xff", "k", "idempotency_key", "k"),
        ("call_centre/1", NATURAL, "k", "idempotency_key", "k"),
        ("call_centre/1", NATURAL, None, "natural", "n-1"),
        ("call_centre/1", NATURAL, "", "natural", "n-1"),
    ],
)
def test_what_an_event_is_known_by(
    name: str, payload: bytes, key: str | None, kind: Kind, value: str
) -> None:
    found = CONTRACTS[name].identity(payload, "application/json", key, "desk")
    assert found == (event_id("desk", kind, value), kind)
    assert found != CONTRACTS[name].identity(payload, "application/json", key, "another")


@pytest.mark.parametrize("key", [None, ""])
def test_without_any_each_delivery_is_an_event(key: str | None) -> None:
    contract = CONTRACTS["web_form/1"]
    first, second = (contract.identity(b"{}", "application/json", key, "site") for _ in range(2))
    assert first[1] == second[1] == "minted"
    assert first[0] != second[0]
