"""Fields that a contract does not know: found by name, never by value; and how deep a payload nests."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

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


class Shape(NamedTuple):
    """The field names of a struct as JSON spells them, and those that hold one or many structs."""

    known: frozenset[str]
    nested: tuple[tuple[str, Shape, bool], ...]


def shape(struct: type[msgspec.Struct]) -> Shape:
    """What names a struct and the structs inside it know."""
    fields = msgspec.structs.fields(struct)
    nested: list[tuple[str, Shape, bool]] = []
    for field in fields:
        inner, many = inner_struct(field.type)
        if inner is not None:
            nested.append((field.encode_name, shape(inner), many))
    return Shape(frozenset(field.encode_name for field in fields), tuple(nested))


def inner_struct(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The struct inside an annotation, if any, and whether a list of it is meant."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind, False
    many = get_origin(kind) in (list, tuple)
    for part in get_args(kind):
        inner, inner_many = inner_struct(part)
        if inner is not None:
            return inner, many or inner_many
    return None, False


def unknown(body: bytes | msgspec.Raw, known: Shape, path: str = "$") -> tuple[str, ...]:
    """JSON paths of the fields of `body` that are not in `known`; `body` is a JSON object or null.

    Raises what the decoder raises where a name is not UTF-8.
    """
    found = _paths(_object.decode(body), known, path)
    return tuple(dict.fromkeys(found))[:LIMIT] if found else ()


def _paths(names: dict[str, msgspec.Raw] | None, known: Shape, path: str) -> list[str]:
    if names is None:
        return []
    found: list[str] = []
    if not names.keys() <= known.known:
        found += [f"{path}.{_shown(name)}" for name in names if name not in known.known]
    for name, inner, many in known.nested:
        if name not in names:
            continue
        if many:
            for part in _objects.decode(names[name]) or ():
                found += _paths(part, inner, f"{path}.{name}[*]")
        else:
            found += _paths(_object.decode(names[name]), inner, f"{path}.{name}")
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
