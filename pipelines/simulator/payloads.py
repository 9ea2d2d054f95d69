"""The payload shapes of the four channels, as their senders write them, and the ways they break."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from catalog.ids import Kind
from pipelines.simulator.people import Person, Place, digits
from pipelines.simulator.texts import Text

LAGOS = timezone(timedelta(hours=1))
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
FORM_SOURCE = "sms-short-code"
"""The gateway that posts forms, and local times without an offset; every other source sends JSON."""
Fields = dict[str, Any]
_encode = msgspec.json.Encoder().encode


class Told(NamedTuple):
    """One event before it is shaped: who says what, where and when, through which source.

    `number` is the source's running id; `hinted` tells whether fields beside the text name the place;
    `beside` is the form's subject or the agent's words; `said_by` is the register, `note` for an agent's.
    """

    source: str
    number: int
    who: Person
    place: Place
    topic: str
    said: Text
    beside: Text
    event_us: int
    hinted: bool
    said_by: str


class Shape(NamedTuple):
    """Where a channel keeps its id, of which kind it is, its time and text, and what its fields name of the
    place where they are filled (a cell alone names none)."""

    id_key: str
    kind: Kind
    time_key: str
    text_key: str
    names: tuple[str, ...]


SHAPES = {
    "social": Shape("id_str", "provider", "created_at", "full_text", ("city",)),
    "sms": Shape("MessageSid", "provider", "DateSent", "Body", ()),
    "web_form": Shape("submission_id", "natural", "submitted_at", "description", ("city", "state")),
    "call_centre": Shape("call_id", "natural", "started_at", "notes", ("state",)),
}


def fields(rng: Random, channel: str, told: Told) -> Fields:
    """What the payload holds."""
    when = datetime.fromtimestamp(told.event_us // 1_000_000, LAGOS)
    return {"social": _post, "sms": _message, "web_form": _form, "call_centre": _call}[channel](
        rng, told, when, told.place if told.hinted else None
    )


def _post(rng: Random, told: Told, when: datetime, place: Place | None) -> Fields:
    utc = when.astimezone(UTC)
    spelled, home = utc.ctime(), told.who.home
    return {
        "id_str": str(1_990_000_000_000_000_000 + told.number * 7919),
        "created_at": f"{spelled[:8]}{utc.day:02}{spelled[10:19]} +0000{spelled[19:]}",
        "full_text": told.said.text,
        "lang": told.said_by,
        "user": {
            "id_str": told.who.account[::-1],
            "screen_name": told.who.handle,
            # The profile says where they live, not where it happened.
            "location": rng.choice((home.city, f"{home.state}, Nigeria", "Naija", "")),
        },
        "place": place and {"full_name": f"{place.city}, Nigeria", "country_code": "NG"},
        "in_reply_to_screen_name": rng.choice(("BeejanNG", "BeejanCares", None)),
    }


def _message(rng: Random, told: Told, when: datetime, place: Place | None) -> Fields:
    return {
        "MessageSid": f"SM{told.number:010x}{told.who.account}",
        "From": f"+{told.who.msisdn}",
        "To": rng.choice(("33110", "300")),
        "Body": told.said.text,
        "DateSent": (when.replace(tzinfo=None) if told.source == FORM_SOURCE else when).isoformat(),
        **({"CellId": place.cell_id} if place else {}),
    }


def _form(rng: Random, told: Told, when: datetime, place: Place | None) -> Fields:
    return {
        "submission_id": f"wf-{told.number:09}",
        "submitted_at": when.isoformat(),
        "form_version": rng.choice(("2025-06", "2025-10")),
        "customer": {
            "name": told.who.name,
            "email": told.who.email if rng.random() < 0.8 else "",
            "phone": f"0{told.who.msisdn[3:]}",
            "account_number": told.who.account if rng.random() < 0.5 else "",
        },
        "complaint": {
            "subject": told.beside.text,
            "description": told.said.text,
            "category": rng.choice(("Network", "Billing", "Service", "Other", "")),
            "region": place.state if place else "",
            "city": place.city if place else "",
        },
        **({"campaign": "footer"} if rng.random() < 0.04 else {}),
    }


def _call(rng: Random, told: Told, when: datetime, place: Place | None) -> Fields:
    lines = [{"speaker": "agent", "text": told.beside.text}, {"speaker": "caller", "text": told.said.text}]
    return {
        "call_id": f"{told.source}-{told.number:09}",
        "started_at": when.replace(tzinfo=None).isoformat(),
        "timezone": "Africa/Lagos",
        "duration_s": 30 + int(rng.random() * 900),
        "caller": {"msisdn": told.who.msisdn, "account": told.who.account},
        "agent": {"id": f"A{digits(rng, 3)}", "team": rng.choice(("retail", "data", "billing"))},
        "cell_id": place and place.cell_id,
        "region": place and place.state,
        **({"notes": told.said.text} if told.said_by == "note" else {"transcript": lines}),
    }


def field_pii(who: Person, payload: bytes) -> tuple[tuple[str, str], ...]:
    """The customer's own identifiers that stand in the payload's fields, as (kind, value)."""
    own = {"phone": who.msisdn[3:], "email": who.email, "account": who.account, "name": who.name}
    return tuple((kind, value) for kind, value in own.items() if value.encode() in payload)


BREAKS = ("cut", "bad_utf8", "id_missing", "text_missing", "time_missing", "text_type", "time_type",
          "text_empty", "time_future", "time_naive")  # fmt: skip
"""Damage, named for what it hits."""
HIDES_ID = ("cut", "bad_utf8", "id_missing")
"""Damage after which nobody can rely on finding the id."""


def breaks(channel: str, form: bool) -> list[str]:
    """The ways this kind can break: a form holds no types, and a cut one may still read."""
    others = {"cut", "text_type", "time_type"} if form else set[str]()
    return [how for how in BREAKS if how not in others and (how != "time_naive" or channel == "web_form")]


def encoded(given: Fields, form: bool) -> bytes:
    """The bytes of an intact payload."""
    return urlencode(given).encode() if form else _encode(given)


def broken(given: Fields, channel: str, form: bool, how: str, cut_at: float) -> bytes:
    """The bytes of a payload broken in this way; `cut_at` is the part of them that a cut leaves."""
    shape, bad = SHAPES[channel], "BadBytesHere"
    holder: Fields = given["complaint"] if channel == "web_form" else given
    if lines := given.pop("transcript", None):
        given["notes"] = lines[-1]["text"]
    what, _, damage = how.partition("_")
    place, key = {"id": (given, shape.id_key), "time": (given, shape.time_key)}.get(
        what, (holder, shape.text_key)
    )
    match damage:
        case "missing":
            del place[key]
        case "type":
            place[key] = [17]
        case "empty":
            place[key] = ""
        case "naive":
            place[key] = place[key][:19]
        case "utf8":
            place[key] += bad
    payload = encoded(given, form)
    if how == "cut":
        return payload[: 1 + int(cut_at * (len(payload) - 2))]
    return payload.replace(bad.encode(), b"%FF%FE" if form else b"\xff\xfe")
