"""sms/1: one text message, as gateways post it: a form, or the same fields in JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from catalog.contracts.contract import Contract, Payload
from catalog.contracts.reading import Identifier, Place
from catalog.contracts.times import Moment, TimeReason, mailed, moment


class Message(Payload, frozen=True):
    """One message."""

    sid: Annotated[str, Meta(min_length=1, description="the gateway's id of the message")] = msgspec.field(
        name="MessageSid"
    )
    sender: Annotated[str, Meta(min_length=1, description="who sent it", examples=["+2348035550142"])] = (
        msgspec.field(name="From")
    )
    body: Annotated[str, Meta(min_length=1, description="the message")] = msgspec.field(name="Body")
    sent: Annotated[
        str,
        Meta(
            description="ISO 8601 or RFC 2822; without an offset it is Lagos time",
            examples=["2025-11-24T10:20:05", "Mon, 24 Nov 2025 09:20:05 +0000"],
        ),
    ] = msgspec.field(name="DateSent")
    to: Annotated[str | None, Meta(description="the short code or number it was sent to")] = msgspec.field(
        default=None, name="To"
    )
    cell_id: Annotated[str | int | None, Meta(description="the serving cell")] = msgspec.field(
        default=None, name="CellId"
    )

    def words(self) -> str | None:
        return self.body

    def moment(self, zone: str) -> Moment | TimeReason:
        return moment(mailed(self.sent), None, zone)

    def customer(self) -> tuple[Identifier, ...]:
        return (Identifier("msisdn", self.sender),)

    def place(self) -> Place:
        return Place() if self.cell_id in (None, "") else Place(cell_id=str(self.cell_id))


CONTRACT = Contract(
    payload=Message,
    name="sms/1",
    channel="sms",
    owner="messaging team",
    describe="One text message to the complaints short code, as a gateway posts it: a form or JSON.",
    zone="Africa/Lagos",
    id_field="MessageSid",
    id_kind="provider",
    forms=True,
    reasons={
        "$.MessageSid": "id_invalid",
        "$.Body": "text_invalid",
        "$.DateSent": "event_time_invalid",
    },
)
