"""Batches for dedup: written out by hand, or random with redeliveries, conflicts and near-duplicates."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actors.dedup.config import DedupConfig
from actors.dedup.dedup import Decision, Dedup
from catalog.ids import event_id, payload_digest
from catalog.tables import EVENTS

DECIDED = (
    *("event_id", "id_origin", "reason", "conflicts_with"),
    *("disposition", "linked_to", "link_kind", "similarity", "cluster_id", "bridges"),
    *("text", "segment", "offset"),
)
START = datetime(2025, 3, 1, tzinfo=UTC)


class Event(NamedTuple):
    """What a test says of an event; `day` is its event time, in days after some day."""

    name: str
    text: str | None
    offset: int
    reason: str | None = None
    segment: str = "segment"
    channel: str = "sms"
    day: float = 0
    customer: str | None = None
    region: str | None = None


@lru_cache
def signature(text: str) -> bytes:
    """A stand-in for MinHash: 128 bytes, of which each word of the text decides an equal share.

    Two texts of 16 words agree in 8 bytes for every word that is the same in the same place.
    """
    words = text.split()
    share = 128 // len(words)
    return b"".join(hashlib.sha256(word.encode()).digest()[:1] * share for word in words).ljust(128, b"\0")


@lru_cache
def bands(text: str) -> list[int]:
    """One hash per word and place, as of a band that covers the word's share of the signature."""
    hashes = (hashlib.sha256(f"{i} {word}".encode()).digest() for i, word in enumerate(text.split()))
    return [int.from_bytes(found[:8], "big", signed=True) for found in hashes]


def similarities(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return np.asarray((left == right).mean(axis=1))


def batch(events: Sequence[Event]) -> pa.Table:
    """The columns that pure stages fill."""
    columns = {
        "event_id": [event_id("shop", "provider", event.name) for event in events],
        "id_origin": ["provider"] * len(events),
        "channel": [event.channel for event in events],
        "source": ["shop"] * len(events),
        "event_time": [START + timedelta(days=event.day) for event in events],
        "event_date": [(START + timedelta(days=event.day)).date() for event in events],
        "text": [event.text for event in events],
        "reason": [event.reason for event in events],
        "payload_digest": [payload_digest(repr(event.text).encode()) for event in events],
        "signature": [signature(event.text) if event.text else None for event in events],
        "band_hashes": [bands(event.text) if event.text else None for event in events],
        "segment": [event.segment for event in events],
        "offset": [event.offset for event in events],
        "customer_key": [event.customer for event in events],
        "region": [event.region for event in events],
    }
    schema = EVENTS.arrow_schema
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in columns.items()})


def random_events(seed: int, count: int) -> list[Event]:
    """Few templates with few changes, so that links, redeliveries and conflicts meet each other; few
    customers and days, so that the windows matter."""
    chance = random.Random(seed)
    events: list[Event] = []
    for offset in range(count):
        words = [f"template{chance.randint(0, 3)}"] * 16
        for _ in range(chance.randint(0, 6)):
            words[chance.randrange(16)] = f"word{chance.randint(0, 3)}"
        event = Event(
            *(f"id{offset}", " ".join(words), offset),
            channel=chance.choice(["sms", "social"]),
            day=chance.choice([0, 1, 7, 8, 20, 30, 31, 45]),
            customer=chance.choice([None, "ada", "bola"]),
            region=chance.choice([None, "north", "south"]),
        )
        if events and chance.random() < 0.2:
            event = chance.choice(events)._replace(offset=offset)
        elif events and chance.random() < 0.15:
            event = event._replace(name=chance.choice(events).name)
        if chance.random() < 0.1:
            event = event._replace(text=None, reason="text_invalid")
        events.append(event)
    return events


def cut(events: Sequence[Event], seed: int, most: int = 12) -> list[list[Event]]:
    """Cut into plans of up to `most` events, some of them empty."""
    chance, plans, start = random.Random(seed), [], 0
    while start < len(events):
        size = chance.randint(0, most)
        plans.append(list(events[start : start + size]))
        start += size
    return plans


def decided(rows: pa.Table) -> list[tuple[object, ...]]:
    """What dedup says of each row, for comparison."""
    return list(zip(*(rows[name].to_pylist() for name in DECIDED), strict=True))


class Warehouse:
    """The committed rows, as the table would hold them, and a Dedup that follows it."""

    def __init__(self, folder: Path, bucket_limit: int = 4) -> None:
        self.config = DedupConfig(folder, bucket_limit=bucket_limit)
        self.rows: list[pa.Table] = []
        self.redelivered: list[dict[str, int]] = []
        self.dedup = Dedup(self.config, similarities)

    @property
    def seq(self) -> int:
        return len(self.rows)

    def decide(self, events: Sequence[Event]) -> Decision:
        return self.dedup.decide(self.seq + 1, batch(events))

    def commit(
        self, events: Sequence[Event], decide: Callable[[Sequence[Event]], Decision] | None = None
    ) -> None:
        """Decide the next plan and commit it, without telling the memory."""
        decision = (decide or self.decide)(events)
        plan = pa.array([self.seq + 1] * len(decision.rows), pa.int64())
        self.rows.append(decision.rows.append_column("plan", plan))
        self.redelivered.append(decision.redelivered)

    def step(self, events: Sequence[Event]) -> None:
        self.commit(events)
        self.dedup.promote(self.seq, self.chain)

    def crash(self) -> None:
        """A new process: what was in memory is gone."""
        self.dedup.close()
        self.dedup = Dedup(self.config, similarities)

    def catch_up(self, shuffle: int = 0) -> None:
        """Read back the rows after the memory's position, in any order."""
        have = self.dedup.position().seq
        rows = pa.concat_tables(self.rows[have:] or [self.rows[-1]])
        order = random.Random(shuffle).sample(range(len(rows)), len(rows))
        self.dedup.catch_up(rows.take(pa.array(order, pa.int64())), have, self.seq, self.chain)

    @property
    def chain(self) -> str:
        return f"chain {self.seq}"

    def decided(self) -> list[tuple[object, ...]]:
        return [row for rows in self.rows for row in decided(rows)]


def run_straight(folder: Path, plans: Sequence[Sequence[Event]], bucket_limit: int = 4) -> Warehouse:
    """Decide and commit every plan, nothing ever failing."""
    warehouse = Warehouse(folder, bucket_limit)
    for events in plans:
        warehouse.step(events)
    warehouse.dedup.close()
    return warehouse


def fingerprint(folder: Path, seed: int) -> str:
    """A hash over all decisions of a random stream."""
    warehouse = run_straight(folder, cut(random_events(seed, 150), seed))
    return hashlib.sha256(repr((warehouse.decided(), warehouse.redelivered)).encode()).hexdigest()
