"""The second, lenient pass: which fields of a payload are wrong, and what of it can be read all the same."""

from __future__ import annotations

import re
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from catalog.contracts.unknown import inner_struct

P = TypeVar("P", bound=msgspec.Struct)

# The decoder's messages quote values in some cases: only its path, made of our names, is taken from them.
_AT = re.compile(r" - at `\$([\w.\[\]]*)`$")
_MISSING = re.compile(r"^Object missing required field `(\w+)`")
_ABSENT = msgspec.Raw()


class Part(NamedTuple):
    """One field of a struct: how it is decoded, and the struct inside it, if it holds one."""

    name: str
    spelled: str
    required: bool
    default: object
    decoder: msgspec.json.Decoder[Any]
    inner: Lenient[Any] | None


class Lenient(Generic[P]):
    """Decodes a struct field by field; what is missing or wrong is named by its path and left None."""

    def __init__(self, struct: type[P]) -> None:
        self._struct = struct
        self._parts = [_part(field) for field in msgspec.structs.fields(struct)]
        raw = [
            (part.name, msgspec.Raw, msgspec.field(default=_ABSENT, name=part.spelled))
            for part in self._parts
        ]
        self._raw = msgspec.json.Decoder(msgspec.defstruct("Raw", raw, frozen=True))

    def decode(self, body: bytes | msgspec.Raw, path: str = "$") -> tuple[P, list[str]]:
        """The struct as far as readable, and the paths of its faults in the contract's order.

        Raises msgspec.DecodeError or UnicodeDecodeError when `body` is not an object in UTF-8.
        """
        raw = self._raw.decode(body)
        values: dict[str, object] = {}
        faults: list[str] = []
        for part in self._parts:
            value = getattr(raw, part.name)
            at = f"{path}.{part.spelled}"
            if value is not _ABSENT:
                values[part.name], wrong = _value(part, value, at)
                faults += wrong
            else:
                values[part.name] = part.default
                faults += [at] if part.required else []
        # Structs do not check what they are made of: None may stand where the contract wants a value.
        return self._struct(**values), faults


def _value(part: Part, raw: msgspec.Raw, path: str) -> tuple[object, list[str]]:
    try:
        return part.decoder.decode(raw), []
    except msgspec.ValidationError as wrong:
        if part.inner is None:
            return None, [path + _tail(str(wrong))]
    try:
        return part.inner.decode(raw, path)
    except msgspec.ValidationError:
        return None, [path]


def _tail(message: str) -> str:
    """Where inside a list the fault is, in the form "[*].name"; empty for the field itself."""
    at, missing = _AT.search(message), _MISSING.search(message)
    return (at[1].replace("[...]", "[*]") if at else "") + (f".{missing[1]}" if missing else "")


def _part(field: msgspec.structs.FieldInfo) -> Part:
    inner, many = inner_struct(field.type)
    default = None if field.default is msgspec.NODEFAULT else field.default
    lenient = None if inner is None or many else Lenient(inner)
    decoder = msgspec.json.Decoder(field.type)
    return Part(field.name, field.encode_name, field.required, default, decoder, lenient)
