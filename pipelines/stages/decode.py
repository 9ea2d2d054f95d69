"""Stage 1: from stored bytes to the fields of an event, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
import pyarrow as pa

from catalog.clock import EPOCH, utc_date
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
    "text",
    "reason",
    "payload_digest",
    "segment",
    "offset",
    "contract",
)
"""The columns of `structured.events` that this stage knows."""

SCHEMA = pa.schema([EVENTS.arrow_schema.field(name) for name in COLUMNS])


class Payload(msgspec.Struct, frozen=True, gc=False):
    """The plain contract of the core: what a payload must hold."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    text: str
    event_time: Annotated[datetime, msgspec.Meta(tz=True)]


class Loose(msgspec.Struct, frozen=True, gc=False):
    """The same fields, of whatever type: tells which of them is wrong."""

    id: object = None
    text: object = None
    event_time: object = None


class Fields(NamedTuple):
    """What one payload says; `reason` is set when it is to be quarantined, the rest as far as readable."""

    text: str | None
    event_time_us: int | None
    reason: str | None


_FIRST_US, _LAST_US = (
    (instant.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    for instant in (datetime.min, datetime.max)
)
_payload = msgspec.json.Decoder(Payload)
_loose = msgspec.json.Decoder(Loose)
_instant = Annotated[datetime, msgspec.Meta(tz=True)]


def _to_us(instant: datetime) -> int:
    """Raises OverflowError for an instant that no date in UTC can name: its row could not be read."""
    us = (instant - EPOCH) // timedelta(microseconds=1)
    if not _FIRST_US <= us <= _LAST_US:
        raise OverflowError
    return us


def fields(envelope: Envelope) -> Fields:
    """Judge one payload against the plain contract."""
    try:
        payload = _payload.decode(envelope.payload)
    except msgspec.ValidationError:
        return _broken(envelope.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fields(None, None, "payload_unreadable")
    try:
        event_time_us = _to_us(payload.event_time)
    except OverflowError:
        return Fields(payload.text, None, "event_time_invalid")
    if event_time_us > envelope.received_us + FUTURE_LIMIT_US:
        return Fields(payload.text, event_time_us, "event_time_future")
    if event_time_us < MINIMUM_US:
        return Fields(payload.text, event_time_us, "event_time_too_old")
    return Fields(payload.text, event_time_us, None)


def _broken(payload: bytes) -> Fields:
    try:
        loose = _loose.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fields(None, None, "payload_unreadable")
    text = loose.text if isinstance(loose.text, str) else None
    try:
        event_time_us = _to_us(msgspec.convert(loose.event_time, _instant))
    except (msgspec.ValidationError, OverflowError):
        event_time_us = None
    if not isinstance(loose.id, str) or not loose.id:
        return Fields(text, event_time_us, "id_invalid")
    return Fields(text, event_time_us, "text_invalid" if text is None else "event_time_invalid")


def event_date(envelope: Envelope) -> date | None:
    """The UTC date of a valid event time; None when there is none."""
    found = fields(envelope)
    return None if found.reason or found.event_time_us is None else utc_date(found.event_time_us)


def decode(
    batch: Sequence[Located],
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> pa.Table:
    """One row per frame, in order, columns `COLUMNS`; `reason` says why a row is quarantined.

    `crashed` are frames whose deciding ends a process: their payload is not looked into.
    """
    rows: list[tuple[object, ...]] = []
    for at in batch:
        envelope, digest, found = _judged(at, crashed, unreadable)
        event_us = found.event_time_us
        dated_us = envelope.received_us if found.reason or event_us is None else event_us
        rows.append(
            (
                envelope.event_id,
                envelope.id_origin,
                envelope.channel,
                envelope.source,
                event_us,
                dated_us // 86_400_000_000,
                envelope.received_us,
                found.text,
                found.reason,
                digest,
                at.segment,
                at.offset,
                envelope.contract,
            )
        )
    return _table(rows)


def _judged(
    at: Located,
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> tuple[Envelope, str, Fields]:
    """A frame's envelope or what stands for it, the digest of its payload, and what that says."""
    place, envelope = (at.segment, at.offset), at.envelope
    if envelope is None:
        created_us, digest = unreadable[place]
        return stand_in(*place, created_us), digest, Fields(None, None, "frame_corrupt")
    found = Fields(None, None, "stage_crash") if place in crashed else fields(envelope)
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
