"""Every contract there is, and which one holds at a channel's door."""

from __future__ import annotations

from catalog.contracts import call_centre, plain, sms, social, web_form
from catalog.contracts.contract import Contract

CHANNELS = ("social", "sms", "web_form", "call_centre")

CONTRACTS: dict[str, Contract] = {
    module.CONTRACT.name: module.CONTRACT for module in (plain, social, sms, web_form, call_centre)
}


def at_door(channel: str) -> Contract:
    """The newest contract of a channel. Raises LookupError for a channel that has none."""
    found = [contract for contract in CONTRACTS.values() if channel and contract.channel == channel]
    if not found:
        raise LookupError(channel)
    return max(found, key=lambda contract: int(contract.name.partition("/")[2]))
