"""plain/1: the contract every channel may use, and `beejan append` and `decide` do."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from catalog.contracts.contract import Contract, Part, Payload
from catalog.contracts.reading import KINDS, Identifier, Place, identifiers
from catalog.contracts.times import Moment, TimeReason, iso, moment


class Customer(Part, frozen=True):
    """How the sender names the customer; every part may be left out."""

    msisdn: Annotated[str | None, Meta(description="telephone number, local or international")] = None
    email: str | None = None
    handle: Annotated[str | None, Meta(description="name on a social network")] = None
    account: Annotated[str | None, Meta(description="account number with the operator")] = None
    customer_id: str | None = None


class Where(Part, frozen=True):
    """Where the complaint belongs; every part may be left out."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    cell_id: str | None = None


class Plain(Payload, frozen=True):
    """One complaint."""

    id: Annotated[
        str,
        Meta(min_length=1, description="the sender's own id; the same for every delivery", examples=["c-1"]),
    ]
    text: Annotated[str, Meta(description="what the customer says")]
    event_time: Annotated[
        str,
        Meta(
            description="when it happened: ISO 8601 with an offset; without one only beside `zone`",
            examples=["2025-11-24T10:00:00+01:00"],
        ),
    ]
    customer_: Customer | None = msgspec.field(default=None, name="customer")
    place_: Where | None = msgspec.field(default=None, name="place")
    zone: Annotated[str | None, Meta(description="IANA time zone", examples=["Africa/Lagos"])] = None

    def words(self) -> str | None:
        return self.text

    def moment(self, zone: str) -> Moment | TimeReason:
        found = moment(iso(self.event_time), self.zone, zone)
        return "event_time_invalid" if found == "event_time_naive" else found

    def customer(self) -> tuple[Identifier, ...]:
        by = self.customer_
        return () if by is None else identifiers([(kind, getattr(by, kind)) for kind in KINDS])

    def place(self) -> Place:
        at = self.place_
        return Place() if at is None else Place(at.country, at.region, at.city, at.cell_id)


CONTRACT = Contract(
    payload=Plain,
    name="plain/1",
    channel="",
    owner="data platform",
    describe="One complaint of any channel as a flat JSON object. A time needs an offset or a zone.",
    id_field="id",
    id_kind="provider",
    reasons={
        "$.id": "id_invalid",
        "$.text": "text_invalid",
        "$.event_time": "event_time_invalid",
        "$.zone": "zone_unknown",
    },
)
