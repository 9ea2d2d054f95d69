"""Small, seeded streams of complaints, and what a home must hold after them.

A stream mixes new events with redeliveries, ids used again for other bytes, near-duplicates and broken
payloads, over several channels and event dates. Every line says itself what must become of it, so that a
checker needs none of the product's judgement.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from catalog.ids import event_id, payload_digest
from cluster.settings import Settings

CHANNELS = {"sms": "gateway", "web_form": "portal", "call_centre": "desk"}
DAYS = ("2025-03-01", "2025-03-02", "2025-03-03")
CLUSTER = "cluster.json"
"""The file in a trial's folder that names servers."""
POISON = "this text ends the process that decides it"
_WORDS = [
    *("signal drops", "every evening", "near the station", "since tuesday", "nobody answers", "my calls"),
    *("invoice shows", "twice", "roaming charged", "contract says", "flat", "router blinks red", "after"),
    *("update", "technician", "never came", "speed far", "below promised", "outage affects", "whole street"),
    *("refund", "still missing", "number", "porting takes", "weeks"),
]
_BROKEN: tuple[tuple[str, bool, str], ...] = (
    ('["%s"]', False, "payload_unreadable"),
    ('{"id":5,"text":"%s has no id","event_time":"2025-03-01T08:00:00Z"}', False, "id_invalid"),
    ('{"id":"%s","text":null,"event_time":"2025-03-01T08:00:00Z"}', True, "text_invalid"),
    ('{"id":"%s","text":"no zone","event_time":"2025-03-01T08:00:00"}', True, "event_time_invalid"),
    ('{"id":"%s","text":"an old clock","event_time":"1997-03-01T08:00:00Z"}', True, "event_time_too_old"),
)
"""Payloads around a name, whether it is an id that can be used, and what is wrong with them."""


class Line(NamedTuple):
    """One line to send. `id` is None where the payload brings none that can be used.

    `reason` is the one it must be quarantined for; lines of one `family` are near-duplicates of each other.
    """

    channel: str
    source: str
    payload: bytes
    id: str | None
    reason: str | None
    family: int | None

    @property
    def encoded(self) -> bytes:
        """The line as `beejan append` takes it, without its line end."""
        head = json.dumps({"channel": self.channel, "source": self.source})
        return head[:-1].encode() + b', "payload": ' + self.payload + b"}"

    @property
    def event_id(self) -> str | None:
        """The id its receipt must bear; None where the door mints one."""
        return None if self.id is None else event_id(self.source, "provider", self.id)

    @property
    def digest(self) -> str:
        """What identifies the payload's bytes."""
        return payload_digest(self.payload)


def lines(seed: int, count: int, poison_every: int = 0) -> list[Line]:
    """`count` lines, the same for the same arguments; every `poison_every`-th text is a poisonous one."""
    rng = random.Random(seed)
    made: list[Line] = []
    for n in range(count):
        pick = rng.random()
        channel = rng.choice(list(CHANNELS))
        name = f"{seed}-{n}"
        valid = [line for line in made if line.family is not None]
        if poison_every and n % poison_every == poison_every - 1:
            poisonous = _valid(rng, channel, name, f"{POISON} {n}" + "!" * rng.randrange(2), None)
            made.append(poisonous._replace(reason="stage_crash"))
        elif pick < 0.18 and made:
            made.append(rng.choice(made))
        elif pick < 0.24 and valid:
            made.append(_conflict(rng, rng.choice(valid)))
        elif pick < 0.40 and valid:
            made.append(_near(rng, channel, name, rng.choice(valid)))
        elif pick < 0.50:
            form, is_id, reason = rng.choice(_BROKEN)
            payload = (form % name).encode()
            made.append(Line(channel, CHANNELS[channel], payload, name if is_id else None, reason, None))
        else:
            made.append(_valid(rng, channel, name, _text(rng), n))
    return made


def pairs(seed: int, count: int) -> list[Line]:
    """`count` times a valid line, and behind it one of the same source and id with other bytes."""
    rng = random.Random(seed)
    made: list[Line] = []
    for n in range(count):
        first = _valid(rng, rng.choice(list(CHANNELS)), f"{seed}-{n}", _text(rng), n)
        made += [first, _conflict(rng, first)]
    return made


def settings(home: Path, **changes: Any) -> Settings:
    """Settings under which every step of the product happens within a few dozen lines, on the servers that
    the trial's folder names, if it names any."""
    small = {
        "plan_rows": 20,
        "batch_rows": 8,
        "segment_bytes": 4_000,
        "min_free_bytes": 0,
        "checkpoint_plans": 2,
    }
    named = home.parent / CLUSTER
    servers = {"profile": "cluster", "cluster": named} if named.exists() else {}
    return Settings(home=home, **{**small, **servers, **changes})


def acknowledged(receipts: Path) -> list[tuple[int, str]]:
    """(index of the line, event id) of every receipt written, in the order they were given."""
    if not receipts.exists():
        return []
    # A process that was killed may have left half a line: its group counts as not acknowledged.
    whole = receipts.read_bytes().rpartition(b"\n")[0].splitlines()
    return [(int(index), name) for index, name in map(json.loads, whole)]


def unacknowledged(receipts: Path, count: int) -> Sequence[int]:
    """Indexes below `count` without a receipt, in order."""
    done = {index for index, _ in acknowledged(receipts)}
    return [index for index in range(count) if index not in done]


def _valid(rng: random.Random, channel: str, name: str, text: str, family: int | None) -> Line:
    when = f"{rng.choice(DAYS)}T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z"
    payload = json.dumps({"id": name, "text": text, "event_time": when}).encode()
    return Line(channel, CHANNELS[channel], payload, name, None, family)


def _text(rng: random.Random) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(30)) + f" {rng.randrange(10**12)}"


def _near(rng: random.Random, channel: str, name: str, of: Line) -> Line:
    """The same words with another last letter, reported once more."""
    text = json.loads(of.payload)["text"]
    return _valid(rng, channel, name, text + rng.choice(("", "!", "?")), of.family)


def _conflict(rng: random.Random, of: Line) -> Line:
    """The same id from the same source with other bytes."""
    made = _valid(rng, of.channel, of.id or "", _text(rng), None)
    return made._replace(source=of.source)
