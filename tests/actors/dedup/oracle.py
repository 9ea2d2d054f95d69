"""Dedup as its definition reads: dictionaries, every earlier event looked at, no plans, no memory on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from catalog.ids import conflict_id, event_id, payload_digest
from tests.actors.dedup.streams import Event, bands, signature


class Member(NamedTuple):
    """An event that takes part in links."""

    own: str
    event: Event
    cluster: str


class Verdict(NamedTuple):
    """The columns that depend on earlier texts."""

    disposition: str
    linked_to: str | None = None
    link_kind: str | None = None
    similarity: float | None = None
    cluster_id: str | None = None
    bridges: list[str] | None = None


def decide(events: Sequence[Event], bucket_limit: int) -> tuple[list[tuple[object, ...]], Counter[str]]:
    """Rows (as `streams.decided` gives them) and redeliveries by channel, of events in commit order."""
    known: dict[str, str] = {}
    earlier: list[Member] = []
    rows: list[tuple[object, ...]] = []
    redelivered: Counter[str] = Counter()
    for event in events:
        own = event_id("shop", "provider", event.name)
        digest = payload_digest(repr(event.text).encode())
        origin, reason, conflicts_with = "provider", event.reason, None
        if known.get(own, digest) != digest:
            origin, reason, conflicts_with = "conflict", "idempotency_conflict", own
            own = conflict_id("shop", own, digest)
        if own in known:
            redelivered[event.channel] += 1
            continue
        known[own] = digest
        verdict = Verdict("quarantined")
        if reason is None:
            verdict = judge(own, event, earlier, bucket_limit)
            earlier.append(Member(own, event, verdict.cluster_id or own))
        rows.append((own, origin, reason, conflicts_with, *verdict, event.text, event.segment, event.offset))
    return rows, redelivered


def judge(own: str, event: Event, earlier: list[Member], bucket_limit: int) -> Verdict:
    """Among the last `bucket_limit` events of each band: the same complaint, else the most similar; of those
    the first."""
    candidates = {
        place
        for band in bands(event.text or "")
        for place in [i for i, other in enumerate(earlier) if band in bands(other.event.text or "")][
            -bucket_limit:
        ]
    }
    near = [
        (is_same(event, earlier[place].event), agreeing(event, earlier[place].event), -place)
        for place in candidates
        if agreeing(event, earlier[place].event) >= 0.7 and abs(event.day - earlier[place].event.day) <= 30
    ]
    if not near:
        return Verdict("accepted", cluster_id=own)
    same, similarity, place = max(near)
    other = earlier[-place]
    bridges = sorted({earlier[-place].cluster for *_, place in near} - {other.cluster})
    how = ("duplicate", other.own, "same_complaint") if same else ("accepted", other.own, "near_duplicate")
    return Verdict(*how, similarity, other.cluster, bridges or None)


def agreeing(left: Event, right: Event) -> float:
    """The share of the signatures that agrees."""
    signatures = (signature(event.text or "") for event in (left, right))
    return sum(a == b for a, b in zip(*signatures, strict=True)) / 128


def is_same(left: Event, right: Event) -> bool:
    """Whether two near-duplicates are one complaint."""
    return (
        left.customer is not None
        and left.customer == right.customer
        and (left.region == right.region or None in (left.region, right.region))
        and abs(left.day - right.day) <= 7
    )
