"""The plainest door: a line becomes an envelope, and a receipt once it is durable."""

from __future__ import annotations

import json
import re

import msgspec

from catalog.clock import Clock
from catalog.contracts.plain import CONTRACT
from catalog.envelope import CHANNEL, SOURCE_LENGTH, Envelope
from catalog.errors import BadInput
from catalog.log.frames import MAX_BODY_BYTES

CONTENT_TYPE = "application/json"
PAYLOAD_BYTES = MAX_BODY_BYTES - 4_096
"""The longest payload: with whatever else an envelope says, it fits into a frame."""
_OPEN, _COLON, _NEXT = (re.compile(rf"[ \t\r\n]*({mark})[ \t\r\n]*") for mark in (r"\{", ":", "[,}]"))


class Line(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One line in: the payload's bytes are kept as they stand."""

    channel: str
    source: str
    payload: msgspec.Raw


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What the sender gets back: a function of the event's id alone."""

    event_id: str
    id_origin: str


_line = msgspec.json.Decoder(Line)


def envelope(line: bytes, number: int, bundle: str, clock: Clock) -> Envelope:
    """Wrap line `number` (from 1), unjudged. Raises BadInput where not even the envelope can be read or
    stored; whatever this returns the log takes."""
    found, payload = _checked(line, number)
    event_id, id_origin = CONTRACT.identity(payload, CONTENT_TYPE, None, found.source)
    return Envelope(
        event_id=event_id,
        id_origin=id_origin,
        channel=found.channel,
        source=found.source,
        received_us=clock.now_us(),
        contract=CONTRACT.name,
        bundle=bundle,
        content_type=CONTENT_TYPE,
        key_id="",
        payload=payload,
    )


def _checked(line: bytes, number: int) -> tuple[Line, bytes]:
    found = _read(line)
    if found is None:
        raise BadInput(
            "not a line of the form {channel, source, payload}",
            hint="lines before this one are durable and have their receipts",
            line=number,
        )
    if not CHANNEL.fullmatch(found.channel) or not 0 < len(found.source) <= SOURCE_LENGTH:
        raise BadInput(
            "channel or source is not a name",
            hint="channel: lower-case letters, digits and _; source: 1 to 200 characters",
            line=number,
        )
    payload = bytes(found.payload)
    if len(payload) > PAYLOAD_BYTES:
        raise BadInput("a payload is too large", hint=f"at most {PAYLOAD_BYTES} bytes", line=number)
    return found, payload


def _read(line: bytes) -> Line | None:
    try:
        return _line.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # The fast decoder refuses what the grammar allows, as half of a surrogate pair in an escape: such a
    # payload is stored too and judged later, so cut the line by a decoder that lets it pass.
    try:
        parts = _members(line.decode())
        known = (json.loads(parts.pop("channel")), json.loads(parts.pop("source")))
        payload = parts.pop("payload")
        "".join(known).encode()  # half of a surrogate pair in a name could not be stored
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if parts:
        return None
    return Line(*known, msgspec.Raw(payload.encode()))


def _members(line: str) -> dict[str, str]:
    """The members of a JSON object, each value as its own text. Raises ValueError where it is none."""
    read, found = json.JSONDecoder().raw_decode, dict[str, str]()
    mark = _pass(_OPEN, line, 0)
    while mark[1] != "}":
        name, end = read(line, mark.end())
        begin = _pass(_COLON, line, end).end()
        _, end = read(line, begin)
        found[str(name)] = line[begin:end]
        mark = _pass(_NEXT, line, end)
    if mark.end() != len(line):
        raise ValueError("more than one value")
    return found


def _pass(mark: re.Pattern[str], line: str, position: int) -> re.Match[str]:
    found = mark.match(line, position)
    if found is None:
        raise ValueError(mark.pattern)
    return found


def receipt(stored: Envelope) -> bytes:
    """The line that acknowledges a durable envelope."""
    return msgspec.json.encode(Receipt(stored.event_id, stored.id_origin))
