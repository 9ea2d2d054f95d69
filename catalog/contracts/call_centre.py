"""call_centre/1: one call, as the contact centre's system records it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from catalog.contracts.contract import Contract, Part, Payload
from catalog.contracts.reading import Identifier, Place, identifiers
from catalog.contracts.times import Moment, TimeReason, iso, moment


class Caller(Part, frozen=True):
    """Who called."""

    msisdn: str | None = None
    account: str | None = None


class Agent(Part, frozen=True):
    """Who took the call."""

    id: str | int | None = None
    team: str | None = None


class Said(Part, frozen=True):
    """One line of the transcript."""

    speaker: Literal["caller", "agent"]
    text: str


class Call(Payload, frozen=True):
    """One call."""

    call_id: Annotated[str, Meta(min_length=1, description="the contact centre's id of the call")]
    started_at: Annotated[
        str,
        Meta(
            description="ISO 8601; without an offset it is the time of `timezone`, else of Lagos",
            examples=["2025-11-24T10:40:00"],
        ),
    ]
    notes: Annotated[
        str | None, Meta(description="what the agent wrote down; this or caller's lines must be there")
    ] = None
    transcript: list[Said] | None = None
    timezone: Annotated[str | None, Meta(description="IANA time zone of the site")] = None
    caller: Caller | None = None
    agent: Agent | None = None
    cell_id: str | int | None = None
    region: str | None = None

    def words(self) -> str | None:
        if self.notes:
            return self.notes
        lines = [said.text for said in self.transcript or () if said.speaker == "caller" and said.text]
        return "\n".join(lines) or None

    def moment(self, zone: str) -> Moment | TimeReason:
        return moment(iso(self.started_at), self.timezone, zone)

    def customer(self) -> tuple[Identifier, ...]:
        by = self.caller
        return () if by is None else identifiers((("msisdn", by.msisdn), ("account", by.account)))

    def place(self) -> Place:
        cell = None if self.cell_id in (None, "") else str(self.cell_id)
        return Place(region=self.region or None, cell_id=cell)


CONTRACT = Contract(
    payload=Call,
    name="call_centre/1",
    channel="call_centre",
    owner="contact centre",
    describe="One call that was a complaint. The text is the agent's notes, else what the caller said.",
    zone="Africa/Lagos",
    id_field="call_id",
    id_kind="natural",
    reasons={
        "$.call_id": "id_invalid",
        "$.started_at": "event_time_invalid",
        "$.notes": "text_invalid",
        "$.transcript": "text_invalid",
        "$.transcript[*].text": "text_invalid",
        "$.timezone": "zone_unknown",
    },
)
