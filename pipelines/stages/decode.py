"""Stage 1: from stored bytes to what their contract says they are, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import pyarrow as pa

from catalog.clock import DAY_US, utc_date
from catalog.contracts.reading import Identifier, Place, Reading, Violation
from catalog.contracts.registry import CONTRACTS
from catalog.envelope import Envelope, Located, Unreadable, stand_in
from catalog.ids import payload_digest
from catalog.tables import EVENTS

FUTURE_LIMIT_US = 24 * 3600 * 1_000_000
MINIMUM_US = 946_684_800 * 1_000_000
"""Event times before 2000-01-01 are a broken clock, not a complaint."""

COLUMNS = (
    "event_id",
    "id_origin",
    "channel",
    "source",
    "event_time",
    "event_date",
    "received_at",
    "reason",
    "payload_digest",
    "segment",
    "offset",
    "contract",
    "utc_offset_min",
    "zone",
    "local_date",
    "extra_fields",
    "reason_field",
)
"""The columns of `structured.events` that this stage knows."""

SCHEMA = pa.schema([EVENTS.arrow_schema.field(name) for name in COLUMNS])


class Decoded(NamedTuple):
    """One entry per frame: the columns `COLUMNS`, and what later stages read - the text as it was sent,
    how the sender names the customer, and where they say it belongs."""

    columns: pa.Table
    texts: list[str | None]
    customers: list[tuple[Identifier, ...]]
    places: list[Place]


class Judged(NamedTuple):
    """What one payload says; `reason` is set when it is quarantined, the rest as far as readable."""

    reason: str | None
    reason_field: str | None
    text: str | None
    event_us: int | None
    reading: Reading | None = None


def judge(envelope: Envelope) -> Judged:
    """Hold one payload to its contract, and its time to when it came."""
    contract = CONTRACTS.get(envelope.contract)
    if contract is None:
        return Judged("contract_unknown", None, None, None)
    found = contract.read(envelope.payload, envelope.content_type)
    if isinstance(found, Violation):
        return Judged(found.reason, found.field or None, found.text, found.event_us)
    reason = None
    if found.event_us > envelope.received_us + FUTURE_LIMIT_US:
        reason = "event_time_future"
    elif found.event_us < MINIMUM_US:
        reason = "event_time_too_old"
    return Judged(reason, None, found.text, found.event_us, found)


def event_date(envelope: Envelope) -> date | None:
    """The UTC date of a valid event time; None when there is none."""
    found = judge(envelope)
    return None if found.reason or found.event_us is None else utc_date(found.event_us)


def decode(
    batch: Sequence[Located],
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> Decoded:
    """One entry per frame, in order.

    `crashed` are frames whose deciding ends a process: their payload is not looked into.
    """
    rows: list[tuple[object, ...]] = []
    texts: list[str | None] = []
    customers: list[tuple[Identifier, ...]] = []
    places: list[Place] = []
    for at in batch:
        envelope, digest, found = _judged(at, crashed, unreadable)
        reading, event_us = found.reading, found.event_us
        dated_us = envelope.received_us if found.reason or event_us is None else event_us
        rows.append(
            (
                envelope.event_id,
                envelope.id_origin,
                envelope.channel,
                envelope.source,
                event_us,
                dated_us // DAY_US,
                envelope.received_us,
                found.reason,
                digest,
                at.segment,
                at.offset,
                envelope.contract,
                *_as_sent(reading),
                found.reason_field,
            )
        )
        texts.append(found.text)
        customers.append(reading.customer if reading else ())
        places.append(reading.place if reading else Place())
    return Decoded(_table(rows), texts, customers, places)


def _as_sent(reading: Reading | None) -> tuple[int | None, str | None, int | None, int | None]:
    """Offset and zone of the original time, the business date there, and how many fields nobody knows."""
    if reading is None:
        return None, None, None, None
    local_us = reading.event_us + reading.utc_offset_min * 60_000_000
    return reading.utc_offset_min, reading.zone, local_us // DAY_US, len(reading.extra)


def _judged(
    at: Located,
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> tuple[Envelope, str, Judged]:
    """A frame's envelope or what stands for it, the digest of its payload, and what that says."""
    place, envelope = (at.segment, at.offset), at.envelope
    if envelope is None:
        created_us, digest = unreadable[place]
        return stand_in(*place, created_us), digest, Judged("frame_corrupt", None, None, None)
    crash = place in crashed
    found = Judged("stage_crash", None, None, None) if crash else judge(envelope)
    return envelope, payload_digest(envelope.payload), found


def _table(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in COLUMNS]
    arrays = [_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    # Dates and instants arrive as whole numbers of their unit: no object is made per value.
    if pa.types.is_date32(kind):
        return pa.array(values, pa.int32()).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
