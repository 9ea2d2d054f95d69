"""social/1: one post, as the webhooks of X (Twitter) shape it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from catalog.contracts.contract import Contract, Part, Payload
from catalog.contracts.reading import Identifier, Place
from catalog.contracts.times import Moment, TimeReason, moment, posted


class Author(Part, frozen=True):
    """Who posted it."""

    id_str: str | None = None
    screen_name: Annotated[str | None, Meta(description="the author's handle, without @")] = None
    location: Annotated[str | None, Meta(description="from the profile; not where it happened")] = None


class Tag(Part, frozen=True):
    """Where the author says the post was made."""

    full_name: Annotated[str | None, Meta(examples=["Ikeja, Nigeria"])] = None
    country_code: Annotated[str | None, Meta(examples=["NG"])] = None


class Post(Payload, frozen=True):
    """One post."""

    id_str: Annotated[str, Meta(min_length=1, description="the network's id of the post")]
    created_at: Annotated[
        str,
        Meta(
            description="the network's own form, or ISO 8601 with an offset",
            examples=["Mon Nov 24 09:12:40 +0000 2025"],
        ),
    ]
    full_text: Annotated[str | None, Meta(description="the whole post; this or `text` must be there")] = None
    text: Annotated[str | None, Meta(description="the post, perhaps cut short")] = None
    lang: str | None = None
    user: Author | None = None
    place_: Tag | None = msgspec.field(default=None, name="place")
    id: Annotated[int | str | None, Meta(description="not used: readers lose its last digits")] = None
    in_reply_to_screen_name: str | None = None

    def words(self) -> str | None:
        return self.full_text or self.text or None

    def moment(self, zone: str) -> Moment | TimeReason:
        return moment(posted(self.created_at), None, zone)

    def customer(self) -> tuple[Identifier, ...]:
        handle = self.user.screen_name if self.user else None
        return (Identifier("handle", handle),) if handle else ()

    def place(self) -> Place:
        at = self.place_
        return Place() if at is None else Place(country=at.country_code, city=at.full_name)


CONTRACT = Contract(
    payload=Post,
    name="social/1",
    channel="social",
    owner="social care team",
    describe="One post that mentions the operator, in the shape X (Twitter) webhooks deliver.",
    id_field="id_str",
    id_kind="provider",
    reasons={
        "$.id_str": "id_invalid",
        "$.created_at": "event_time_invalid",
        "$.full_text": "text_invalid",
        "$.text": "text_invalid",
    },
)
