"""Decides a file of texts with the flow's pure stages and stores nothing: for trying and scoring rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa

from catalog.clock import to_datetime, to_us
from catalog.contracts.plain import CONTRACT
from catalog.envelope import Envelope, Located
from catalog.errors import BadInput
from catalog.ids import event_id
from catalog.tables import ACCEPTED, QUARANTINED

BATCH = 2_048
_ABOUT = ("channel", "received_at")
"""What a line says beside its payload under the plain contract."""
_AS_DECIDED = ("is_complaint", "l1", "l2", "secondary_l2", "confidence", "needs_review")
_PLACE = ("country", "region", "city")


def decisions(
    lines: Iterable[bytes], pure: Callable[[Sequence[Located]], pa.Table], now_us: int
) -> Iterator[bytes]:
    """One JSON decision per line, in order. Raises BadInput for a line that is no JSON object with an id.

    A line is a payload of the plain contract, and beside it `channel` and `received_at` (`now_us` where that
    is missing; also the event time, where a line has none).
    """
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    while batch := list(islice(numbered, BATCH)):
        asked = [_asked(number, line, now_us) for number, line in batch]
        table = pure([at for _, at in asked])
        for (own_id, _), row in zip(asked, table.to_pylist(), strict=True):
            yield msgspec.json.encode(_decision(own_id, row))


def _asked(number: int, line: bytes, now_us: int) -> tuple[str, Located]:
    try:
        given = json.loads(line)
        own_id = str(given["id"])
        own_id.encode()  # half a surrogate pair could not be told in an answer
        received = given.get("received_at")
        received_us = now_us if received is None else _us(received)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(
            "not a line to decide", hint="a JSON object with id, channel, text and received_at", line=number
        ) from None
    payload = {name: value for name, value in given.items() if name not in _ABOUT}
    payload.setdefault("event_time", to_datetime(received_us).isoformat())
    channel = given.get("channel")
    envelope = Envelope(
        event_id=event_id("decide", "provider", own_id),
        id_origin="provider",
        channel=channel if isinstance(channel, str) else "unknown",
        source="decide",
        received_us=received_us,
        contract=CONTRACT.name,
        bundle="",
        content_type="application/json",
        key_id="",
        payload=json.dumps(payload).encode(),
    )
    return own_id, Located("decide", number, envelope)


def _us(text: str) -> int:
    instant = datetime.fromisoformat(text)
    return to_us(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _decision(own_id: str, row: dict[str, Any]) -> dict[str, Any]:
    place = {name: row[name] for name in _PLACE}
    return {
        "id": own_id,
        "disposition": ACCEPTED if row["reason"] is None else QUARANTINED,
        "reason": row["reason"],
        **{name: row[name] for name in _AS_DECIDED},
        "evidence": json.loads(row["evidence"]) if row["evidence"] else [],
        "redacted_text": row["text"],
        "event_time": None if row["event_time"] is None else row["event_time"].isoformat(),
        "place": place if any(place.values()) else None,
    }
