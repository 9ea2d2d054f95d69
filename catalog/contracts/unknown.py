"""Fields that a contract does not know: found by name, never by value; and how deep a payload nests."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from catalog.contracts.faults import Lenient

LIMIT = 32
"""So many unknown paths are kept of one payload."""
DEPTH = 64
"""A payload that nests deeper is not read: where a decoder gives up would depend on its caller."""

# Names are the sender's: one that may hold a number or a sentence is not repeated.
_NAME = re.compile(r"(?!.*\d{5})[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_STRING = re.compile(rb'"(?>[^"\\]+|\\.)*+"?', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_object = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)


def unknown(body: bytes, known: Lenient[Any]) -> tuple[str, ...]:
    """JSON paths of the fields of `body` that are not in `known`; `body` is a JSON object.

    Raises what the decoder raises where a name is not UTF-8.
    """
    found = _paths(_object.decode(body), known, "$")
    return tuple(dict.fromkeys(found))[:LIMIT]


def _paths(names: dict[str, msgspec.Raw] | None, known: Lenient[Any], path: str) -> list[str]:
    if names is None:
        return []
    spelled = {field.spelled for field in known.fields}
    found = [f"{path}.{_shown(name)}" for name in names if name not in spelled]
    for field in known.fields:
        if field.inner is None or field.spelled not in names:
            continue
        inside, at = names[field.spelled], f"{path}.{field.spelled}"
        if field.many:
            for part in _objects.decode(inside) or ():
                found += _paths(part, field.inner, f"{at}[*]")
        else:
            found += _paths(_object.decode(inside), field.inner, at)
    return found


def _shown(name: str) -> str:
    return name if len(name) <= 40 and _NAME.fullmatch(name) else "*"


def too_deep(body: bytes) -> bool:
    """Whether arrays and objects nest deeper than `DEPTH`, or do not close, which no decoder reads either."""
    if body.count(b"[") + body.count(b"{") <= DEPTH:
        return False
    left = _STRING.sub(b"", body).translate(_BRACKETS, _OTHERS)
    for _ in range(DEPTH):
        left = left.replace(b"[]", b"")  # one level, the innermost
    return bool(left)
