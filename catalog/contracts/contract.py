"""What a contract is: how a channel's payload is identified, read and described."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import msgspec

from catalog.contracts.faults import Lenient, too_deep, unknown
from catalog.contracts.forms import is_form, to_json
from catalog.contracts.reading import Identifier, Place, Reading, Violation
from catalog.contracts.times import Moment, TimeReason
from catalog.ids import Kind, event_id, minted_id

_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoders raise for bytes that are no payload; UnicodeDecodeError is a ValueError."""
_NOTHING = Violation("payload_unreadable", "", None, None)


class Part(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The base of all structs. What it forbids is not refused, but read by the lenient pass and counted."""


class Payload(Part, frozen=True):
    """The base of every contract's payload. Any field may be None while a broken one is judged."""

    def words(self) -> str | None:
        """The complaint's text; None when there is none."""
        raise NotImplementedError

    def moment(self, zone: str) -> Moment | TimeReason:
        """When it happened; `zone` places a local time, "" when the contract has none."""
        raise NotImplementedError

    def customer(self) -> tuple[Identifier, ...]:
        """How the sender names the customer."""
        raise NotImplementedError

    def place(self) -> Place:
        """Where the sender says it belongs."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, eq=False)
class Contract:
    """One version of one channel's agreement.

    `id_field` names the top-level field that holds the id, `id_kind` what kind of id that is. `reasons`
    says for which reason a fault at a path is quarantined (others: `field_invalid`); the first path of a
    reason is named when the value has the right type and is still wrong. `zone` places local times; where
    it is empty they are a violation. With `forms`, bodies may be forms too.
    """

    payload: type[Payload]
    name: str
    channel: str
    owner: str
    describe: str
    id_field: str
    id_kind: Kind
    reasons: dict[str, str]
    zone: str = ""
    forms: bool = False

    @cached_property
    def example(self) -> bytes:
        """A payload that keeps it, from `examples/`."""
        file = files(__package__) / "examples" / f"{self.name.replace('/', '-')}.json"
        return file.read_bytes().strip()

    @cached_property
    def _strict(self) -> msgspec.json.Decoder[Payload]:
        return msgspec.json.Decoder(self.payload)

    @cached_property
    def _lenient(self) -> Lenient[Payload]:
        return Lenient(self.payload)

    @cached_property
    def _identified(self) -> msgspec.json.Decoder[Any]:
        identified = [("value", str, msgspec.field(default="", name=self.id_field))]
        return msgspec.json.Decoder(msgspec.defstruct("Identified", identified, frozen=True, gc=False))

    def identify(self, payload: bytes, content_type: str) -> tuple[Kind, str] | None:
        """The kind and value of the id the payload brings, also when the rest is broken; raises nothing."""
        body = self._body(payload, content_type)
        value = "" if body is None or too_deep(body) else self._id(body)
        return (self.id_kind, value) if value else None

    def identity(
        self, payload: bytes, content_type: str, idempotency_key: str | None, source: str
    ) -> tuple[str, Kind]:
        """The event's id and its origin: the provider's id, else the client's key, else the natural key.

        Where there is none of them the id is minted: every delivery is an event of its own.
        """
        found = self.identify(payload, content_type)
        if idempotency_key and (found is None or found[0] != "provider"):
            found = ("idempotency_key", idempotency_key)
        if found is None:
            return minted_id(source), "minted"
        kind, value = found
        return event_id(source, kind, value), kind

    def _id(self, body: bytes) -> str:
        try:
            found: str = self._identified.decode(body).value
            return found
        except _UNREADABLE:
            pass
        try:  # what only the lenient decoder reads, as NaN or half a surrogate pair, has an id all the same
            parts = json.loads(body)
        except _UNREADABLE:
            return ""
        value = parts.get(self.id_field) if isinstance(parts, dict) else None
        return value if isinstance(value, str) else ""

    def read(self, payload: bytes, content_type: str) -> Reading | Violation:
        """The payload's fields, or what is wrong with them; raises nothing, whatever the bytes."""
        body = self._body(payload, content_type)
        if body is None:
            return _NOTHING
        try:
            found = self._strict.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError):  # perhaps of a name that is not ours
            return self._leniently(body)
        except _UNREADABLE:
            return _NOTHING
        return self._reading(found, [], ())

    def _leniently(self, body: bytes) -> Reading | Violation:
        if too_deep(body):
            return _NOTHING
        try:
            found, faults = self._lenient.decode(body)
        except _UNREADABLE:
            return _NOTHING
        return self._reading(found, faults, self._extra(body))

    def _reading(self, found: Payload, paths: list[str], extra: tuple[str, ...]) -> Reading | Violation:
        text, moment = found.words(), found.moment(self.zone)
        if not paths and text is not None and not isinstance(moment, str):
            return Reading(text, *moment, found.customer(), found.place(), extra)
        faults = [(self.reasons.get(path, "field_invalid"), path) for path in paths]
        known = {reason for reason, _ in faults}
        first = {reason: path for path, reason in reversed(self.reasons.items())}
        if text is None and "text_invalid" not in known:
            faults.append(("text_invalid", first["text_invalid"]))
        if isinstance(moment, str) and moment not in known:
            faults.append((moment, first.get(moment) or first["event_time_invalid"]))
        order = [field.spelled for field in self._lenient.fields]
        reason, path = min(faults, key=lambda fault: order.index(_top(fault[1])))
        return Violation(reason, path, text, None if isinstance(moment, str) else moment.event_us)

    def _body(self, payload: bytes, content_type: str) -> bytes | None:
        return to_json(payload) if self.forms and is_form(content_type) else payload

    def _extra(self, body: bytes) -> tuple[str, ...]:
        try:
            return unknown(body, self._lenient)
        except _UNREADABLE:  # a name that is not UTF-8: unknown all the more
            return ("$.*",)

    def json_schema(self) -> dict[str, Any]:
        """The payload's JSON Schema (2020-12), with what fields mean and an example."""
        (root,), parts = msgspec.json.schema_components([self.payload], ref_template="#/$defs/{name}")
        for part in parts.values():
            part.pop("additionalProperties", None)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "description": self.describe,
            **root,
            "$defs": parts,
            "examples": [json.loads(self.example)],
        }


def _top(path: str) -> str:
    return path.split(".")[1].partition("[")[0]
