"""What a sender is told of an event. A receipt is a function of the id alone, so every replica gives the
same one, at any time."""

from __future__ import annotations

import msgspec

from catalog.envelope import Envelope
from serve_apps.problems import Refused


class Receipt(msgspec.Struct, gc=False):
    """Of one event that is durable."""

    event_id: str
    id_origin: str
    status_url: str


class Stored(Receipt, gc=False):
    """Of one event of a batch that is durable."""

    status: int


class NotStored(msgspec.Struct, gc=False):
    """Of one event of a batch that was refused, while others may be durable."""

    status: int
    code: str
    detail: str


def receipt(envelope: Envelope) -> Receipt:
    """The receipt of an event sent by itself."""
    return Receipt(envelope.event_id, envelope.id_origin, _status_url(envelope))


def stored(envelope: Envelope) -> Stored:
    """The result of an event sent in a batch."""
    return Stored(envelope.event_id, envelope.id_origin, _status_url(envelope), 202)


def not_stored(error: Refused) -> NotStored:
    """The result of an event of a batch that is refused by itself."""
    case = error.refusal
    return NotStored(case.status, case.code, error.detail or case.title)


def _status_url(envelope: Envelope) -> str:
    return f"/v1/events/{envelope.event_id}"
