"""Cutting a batch into its events, each left as the bytes it came in; nothing in them is judged.

An event is what begins with `{`: whether the rest of it can be read is decided behind the door, where it
is kept in any case.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from serve_apps.ingest.refusals import refused

NDJSON: Final = "application/x-ndjson"
JSON: Final = "application/json"
_BLANK: Final = b" \t\r\n"
# Ends at the end of the input, too, and never goes back: its time is a multiple of the input's length.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[\[\]{},]', re.DOTALL)
_FEW_COMMAS: Final = 64
"""An array with fewer commas than this for each event it may have is cut by the fast decoder: one of
sixteen million numbers would make as many objects first."""

_array = msgspec.json.Decoder(list[msgspec.Raw])


def bare(value: bytes) -> bytes:
    """A JSON value without the blanks around it, which are framing: one event has one digest however sent."""
    return value.strip(_BLANK)


def is_object(event: bytes) -> bool:
    """Whether a bare JSON value can only be an object."""
    return event[:1] == b"{"


def lines(body: bytes, most: int) -> list[bytes]:
    """The lines of NDJSON that are not blank. Raises Refused (413) when there are more than `most`."""
    if body.count(b"\n") > most:
        raise refused("too_many_events", f"limit: {most} lines")
    return _at_most([line for each in body.split(b"\n") if (line := bare(each))], most)


def elements(body: bytes, most: int) -> list[bytes]:
    """The elements of a JSON array, also of one that only a lenient reader can cut.

    Raises Refused: 400 when it is no array, 413 when it has more than `most` elements.
    """
    if body.count(b",") <= _FEW_COMMAS * most:
        try:
            return _at_most([bytes(each) for each in _array.decode(body)], most)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # an element that cannot be read must not cost the others
    return _cut(bare(body), most)


def _cut(array: bytes, most: int) -> list[bytes]:
    if array[:1] != b"[":
        raise refused("framing_unreadable", "not a JSON array")
    found: list[bytes] = []
    depth, begin = 0, 1
    for token in _TOKEN.finditer(array):
        mark = array[token.start()]
        depth += (mark in b"[{") - (mark in b"]}")
        if (mark == ord(",") and depth == 1) or depth == 0:
            found.append(bare(array[begin : token.start()]))
            begin = token.end()
            _at_most(found, most)
        if depth == 0:
            break
    if depth or begin != len(array):
        raise refused("framing_unreadable", "the array does not end where the body does")
    return found if any(found) or len(found) > 1 else []


def _at_most(found: list[bytes], most: int) -> list[bytes]:
    if len(found) > most:
        raise refused("too_many_events", f"limit: {most} events")
    return found
