"""The second, lenient pass: which fields of a payload are wrong, and what of it can be read all the same;
and which fields its contract does not know, found by name, never by value."""

from __future__ import annotations

import re
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin

import msgspec

P = TypeVar("P", bound=msgspec.Struct)

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
_ABSENT = msgspec.Raw()
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Field(NamedTuple):
    """One field of a struct: how it is decoded, and the struct it holds one or `many` of, if it does."""

    name: str
    spelled: str
    required: bool
    default: object
    decoder: msgspec.json.Decoder[Any]
    inner: Lenient[Any] | None
    many: bool


class Lenient(Generic[P]):
    """Decodes a struct field by field; what is missing or wrong is named by its path and left None."""

    def __init__(self, struct: type[P]) -> None:
        self._struct = struct
        self.fields = [_field(field) for field in msgspec.structs.fields(struct)]
        raw = [(f.name, msgspec.Raw, msgspec.field(default=_ABSENT, name=f.spelled)) for f in self.fields]
        self._raw = msgspec.json.Decoder(msgspec.defstruct("Raw", raw, frozen=True))

    def decode(self, body: bytes | msgspec.Raw, path: str = "$") -> tuple[P, list[str]]:
        """The struct as far as readable, and the paths of its faults in the contract's order.

        Fields the struct does not know are passed over. Raises msgspec.ValidationError when `body` is not
        an object, and what decoders raise when it is not JSON in UTF-8.
        """
        raw = self._raw.decode(body)
        values: dict[str, object] = {}
        faults: list[str] = []
        for field in self.fields:
            value, at = getattr(raw, field.name), f"{path}.{field.spelled}"
            if value is not _ABSENT:
                values[field.name] = _value(field, value, at, faults)
            else:
                values[field.name] = field.default
                faults += [at] if field.required else []
        # Structs do not check what they are made of: None may stand where the contract wants a value.
        return self._struct(**values), faults


def _value(field: Field, raw: msgspec.Raw, path: str, faults: list[str]) -> object:
    try:
        return field.decoder.decode(raw)
    except msgspec.ValidationError:
        pass
    try:
        if field.inner is None:
            faults.append(path)
        elif field.many:
            parts = [field.inner.decode(part, f"{path}[*]") for part in _list.decode(raw)]
            faults += [fault for _, found in parts for fault in found]
            return [part for part, _ in parts]
        else:
            part, found = field.inner.decode(raw, path)
            faults += found
            return part
    except msgspec.ValidationError:  # not even an object, or a list of them
        faults.append(path)
    return None


def _field(field: msgspec.structs.FieldInfo) -> Field:
    inner, many = _struct(field.type)
    return Field(
        field.name,
        field.encode_name,
        field.required,
        None if field.default is msgspec.NODEFAULT else field.default,
        msgspec.json.Decoder(field.type),
        None if inner is None else Lenient(inner),
        many,
    )


def _struct(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The struct inside an annotation, if any, and whether a list of it is meant."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind, False
    many = get_origin(kind) in (list, tuple)
    for part in get_args(kind):
        inner, inner_many = _struct(part)
        if inner is not None:
            return inner, many or inner_many
    return None, False


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
