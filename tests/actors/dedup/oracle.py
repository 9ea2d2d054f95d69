"""Dedup as its definition reads: dictionaries, every earlier event looked at, no plans, no memory on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from catalog.ids import conflict_id, event_id, payload_digest
from tests.actors.dedup.streams import Event, bands, signature


def decide(events: Sequence[Event], bucket_limit: int) -> tuple[list[tuple[object, ...]], Counter[str]]:
    """Rows (as `streams.decided` gives them) and redeliveries by channel, of events in commit order."""
    known: dict[str, str] = {}
    earlier: list[tuple[str, str]] = []
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
        linked_to = similarity = None
        if reason is None and event.text is not None:
            similarity, linked_to = best(event.text, earlier, bucket_limit)
            earlier.append((own, event.text))
        disposition = "quarantined" if reason else "accepted"
        verdict = (disposition, reason, linked_to, similarity, conflicts_with)
        rows.append((own, origin, *verdict, event.text, event.segment, event.offset))
    return rows, redelivered


def best(text: str, earlier: list[tuple[str, str]], bucket_limit: int) -> tuple[float | None, str | None]:
    """The most similar of the earliest `bucket_limit` events of each band; the first among equals."""
    candidates = {
        place
        for band in bands(text)
        for place in [i for i, (_, other) in enumerate(earlier) if band in bands(other)][:bucket_limit]
    }
    found: tuple[float | None, str | None] = (None, None)
    for place in sorted(candidates):
        own, other = earlier[place]
        agreeing = sum(a == b for a, b in zip(signature(text), signature(other), strict=True)) / 128
        if agreeing >= 0.7 and agreeing > (found[0] or 0):
            found = (agreeing, own)
    return found
