"""web_form/1: one submission of the complaints form on the website."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from catalog.contracts.contract import Contract, Part, Payload
from catalog.contracts.reading import Identifier, Place, identifiers
from catalog.contracts.times import Moment, TimeReason, moment


class Person(Part, frozen=True):
    """Who filled in the form; a part left blank may be missing, null or empty."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    account_number: str | None = None


class Grievance(Part, frozen=True):
    """What the form asks about the complaint."""

    description: Annotated[str, Meta(min_length=1, description="what the customer wrote")]
    subject: str | None = None
    category: Annotated[str | None, Meta(description="what the customer picked; not our taxonomy")] = None
    region: str | None = None
    city: str | None = None


class Submission(Payload, frozen=True):
    """One submission."""

    submission_id: Annotated[str, Meta(min_length=1, description="the website's id of the submission")]
    submitted_at: Annotated[
        datetime,
        Meta(description="ISO 8601 with an offset", examples=["2025-11-24T10:31:57+01:00"]),
    ]
    complaint: Grievance
    customer_: Person | None = msgspec.field(default=None, name="customer")
    form_version: str | int | None = None

    def words(self) -> str | None:
        told = self.complaint
        if told is None or told.description is None:
            return None
        return f"{told.subject}\n{told.description}" if told.subject else told.description

    def moment(self, zone: str) -> Moment | TimeReason:
        return moment(self.submitted_at, None, zone)

    def customer(self) -> tuple[Identifier, ...]:
        by = self.customer_
        if by is None:
            return ()
        return identifiers((("msisdn", by.phone), ("email", by.email), ("account", by.account_number)))

    def place(self) -> Place:
        return Place(region=self.complaint.region or None, city=self.complaint.city or None)


CONTRACT = Contract(
    payload=Submission,
    name="web_form/1",
    channel="web_form",
    owner="website team",
    describe="One submission of the complaints form. The text is the subject, a line end, the description.",
    id_field="submission_id",
    id_kind="natural",
    reasons={
        "$.submission_id": "id_invalid",
        "$.submitted_at": "event_time_invalid",
        "$.complaint.description": "text_invalid",
        "$.complaint": "text_invalid",
    },
)
