"""The second, lenient pass: which fields of a payload are wrong, and what of it can be read all the same."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin

import msgspec

P = TypeVar("P", bound=msgspec.Struct)

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
