"""Which id an event gets at the door."""

from __future__ import annotations

from catalog import ids
from catalog.contracts.contract import Contract
from catalog.ids import Kind


def identity(
    contract: Contract, payload: bytes, content_type: str, idempotency_key: str | None, source: str
) -> tuple[str, Kind]:
    """The event's id and its origin: the provider's id, else the client's key, else the natural key.

    Where there is none of them the id is minted: every delivery is an event of its own.
    """
    found = contract.identify(payload, content_type)
    if idempotency_key and (found is None or found[0] != "provider"):
        found = ("idempotency_key", idempotency_key)
    if found is None:
        return ids.minted_id(source), "minted"
    kind, value = found
    return ids.event_id(source, kind, value), kind
