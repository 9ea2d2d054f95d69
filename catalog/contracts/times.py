"""Event times: the forms senders write them in, and the zones that place a local time.

Zone rules come from the pinned `tzdata` package, never from the machine: a decision made again elsewhere
must come out the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from catalog.clock import EPOCH

TimeReason = Literal["event_time_invalid", "event_time_naive", "zone_unknown"]

_FIRST_US, _LAST_US = (
    (instant.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    for instant in (datetime.min, datetime.max)
)
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02}" for number, name in enumerate(_NAMES, 1)}
_DAY, _MONTH = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", f"(?P<month>{'|'.join(_NAMES)})"
_POSTED = re.compile(  # Wed Oct 10 20:19:24 +0000 2018
    rf"{_DAY} {_MONTH} (?P<day>\d\d) (?P<time>\d\d:\d\d:\d\d) (?P<offset>[+-]\d{{4}}) (?P<year>\d{{4}})",
    re.ASCII,
)
_MAILED = re.compile(  # RFC 2822: Wed, 10 Oct 2018 20:19:24 +0000
    rf"(?:{_DAY}, )?(?P<day>\d\d?) {_MONTH} (?P<year>\d{{4}}) (?P<time>\d\d:\d\d:\d\d)"
    r" (?P<offset>[+-]\d{4}|GMT|UTC?)",
    re.ASCII,
)


class Moment(NamedTuple):
    """An instant: microseconds since 1970, UTC, and the offset (minutes) and zone it was given in."""

    event_us: int
    utc_offset_min: int
    zone: str


def iso(text: str | None) -> datetime | None:
    """Reads ISO 8601 as RFC 3339 narrows it, with or without an offset; None for anything else."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None


def posted(text: str | None) -> datetime | None:
    """Reads the form social networks use, "Wed Oct 10 20:19:24 +0000 2018", or ISO 8601."""
    return iso(_reordered(_POSTED, text))


def mailed(text: str | None) -> datetime | None:
    """Reads the form of RFC 2822, "Wed, 10 Oct 2018 20:19:24 +0000", or ISO 8601."""
    return iso(_reordered(_MAILED, text))


def _reordered(form: re.Pattern[str], text: str | None) -> str | None:
    if not text or text[4:5] == "-":  # the usual case is the cheap one
        return text
    part = form.fullmatch(text)
    if part is None:
        return text
    offset = part["offset"] if part["offset"][0] in "+-" else "Z"
    return f"{part['year']}-{_MONTHS[part['month']]}-{part['day']:0>2}T{part['time']}{offset}"


def moment(instant: datetime | None, named: str | None, default: str) -> Moment | TimeReason:
    """Places an instant; `named` is the zone the payload names, `default` the contract's, both may be empty.

    An offset in the time itself always holds; a zone beside it says where the sender was. A local time
    that its zone skips or repeats is not guessed at.
    """
    zone = named or default
    rules = zone_rules(zone) if zone else None
    if named and rules is None:
        return "zone_unknown"
    if instant is None:
        return "event_time_invalid"
    offset = instant.utcoffset()
    if offset is not None:
        found = _moment(instant - EPOCH, offset, named)
    elif rules is None:
        return "event_time_naive"
    else:
        offset = rules.utcoffset(instant)
        if offset is None or offset != rules.utcoffset(instant.replace(fold=1)):
            return "event_time_invalid"
        found = _moment(instant.replace(tzinfo=UTC) - EPOCH - offset, offset, zone)
    # An instant that no date in UTC can name could not be read back from its row.
    return found if _FIRST_US <= found.event_us <= _LAST_US else "event_time_invalid"


def _moment(since: timedelta, offset: timedelta, zone: str | None) -> Moment:
    us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    minutes = offset.days * 1440 + offset.seconds // 60
    return Moment(us, minutes, zone or offset_name(minutes))


@cache
def offset_name(minutes: int) -> str:
    """An offset in minutes as "+01:00"."""
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def zone_rules(name: str) -> ZoneInfo | None:
    """The rules of an IANA zone; None when there is none of that name."""
    # Only names of the list are kept: what else senders write must not fill the memory.
    return _rules(name) if name in _zone_names() else None


@cache
def _rules(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
