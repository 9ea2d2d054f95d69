"""What the simulated day is made of: payloads as senders send them, and what is true about each."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Truth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The ground truth of one sent event; it never travels in the payload.

    `event_id` is what the door must give it, None where the payload hides its id. `kind` is what the text
    is about (a leaf of the taxonomy, `other`, `praise`, `question`, `promo`, `greeting`); `region` and
    `city` are None where nothing in the event names them. `near_duplicate_of`, `redelivery_of` and
    `same_complaint_of` are event ids of earlier events; events of one complaint share `complaint_id`.
    `pii` holds (kind, value as spelled; of a phone in a field, the national number). `broken` names the
    damage. `traits`: `late`, `burst`, `garbled`.
    """

    event_id: str | None
    complaint_id: str
    kind: str
    l1: str
    l2: str
    region: str | None
    city: str | None
    event_us: int
    is_complaint: bool
    pii: tuple[tuple[str, str], ...] = ()
    redelivery_of: str | None = None
    near_duplicate_of: str | None = None
    same_complaint_of: str | None = None
    broken: str | None = None
    traits: tuple[str, ...] = ()


class Sent(NamedTuple):
    """One payload and the moment it is sent, in microseconds since 1970, UTC."""

    channel: str
    source: str
    payload: bytes
    content_type: str
    sent_us: int
    truth: Truth
