"""The simulated day: who complains about what, who repeats whom, and what goes wrong on the way."""

from __future__ import annotations

import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec

from catalog.bundle.bundle import UNCLASSIFIED
from catalog.ids import conflict_id, event_id, payload_digest
from pipelines.simulator import payloads
from pipelines.simulator.grammar import Grammar
from pipelines.simulator.payloads import FORM, FORM_SOURCE, JSON, LAGOS, SHAPES, Told
from pipelines.simulator.people import Person, Place, person, places
from pipelines.simulator.sent import Sent, Truth
from pipelines.simulator.texts import FRIENDLY, Text, Writer, garbled

T = TypeVar("T")
L1 = {
    "coverage": "network", "speed": "network", "outage": "network", "overcharge": "billing",
    "refund": "billing", "agent_experience": "service",
}  # fmt: skip
"""The parent of each label; every other topic is unclassified."""
_REMEMBERED = 3_000
"""How many earlier events of a channel can come again."""
_WORTH_COPYING = 70
"""Characters: of shorter texts a small edit is most of the text."""
_HOUR_US = 3_600_000_000


class Slot(NamedTuple):
    """One moment at which something is sent."""

    sent_us: int
    channel: str
    in_burst: bool


class Past(NamedTuple):
    """An event that later ones may repeat, copy or follow up."""

    sent: Sent
    told: Told


def day(seed: int, events: int, date: date) -> Iterator[Sent]:
    """`events` payloads of the local (Lagos) day `date`, in order of sending; the same arguments give the
    same bytes. The ground truth comes beside each payload, never in it."""
    return Day(seed, events, date).sent()


def _drawer(rng: Random, weights: Mapping[T, float]) -> Callable[[], T]:
    """Draws one key at a time, as often as its weight says."""
    keys, sums = list(weights), list(accumulate(weights.values()))
    return lambda: rng.choices(keys, cum_weights=sums)[0]


class Day:
    """One day in the making."""

    def __init__(self, seed: int, events: int, date: date) -> None:
        folder = Path(__file__).parent
        self._rates, self._names, geography, abbreviations = (
            tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
            for name in ("rates", "names", "places", "abbreviations")
        )
        self._rng = rng = Random(f"{seed}/{events}/{date}")
        words = {name: self._names[name] for name in ("first", "last")}
        self._writer = Writer(rng, Grammar(sorted(folder.glob("phrases/*.txt")), words), abbreviations)
        self._place = _drawer(rng, places(geography["states"]))
        self._topic = _drawer(rng, self._rates["topics"])
        self._register = _drawer(rng, self._rates["registers"])
        self._past: dict[str, deque[Past]] = {name: deque(maxlen=_REMEMBERED) for name in SHAPES}
        self._number = int(rng.random() * 1e8)
        self._burst_place = self._place()
        midnight_us = int(datetime.combine(date, time(), LAGOS).timestamp()) * 1_000_000
        self._slots = _slots(rng, self._rates, events, midnight_us)

    def sent(self) -> Iterator[Sent]:
        """All events of the day, in order."""
        rates = self._rates["happenings"]
        again: dict[Callable[[Slot], Sent | None], float] = {
            self._redelivered: rates["redelivery"],
            self._reused: rates["id_reused"],
            self._copied: rates["near_duplicate"],
            self._told_again: rates["same_complaint"],
        }
        way = _drawer(self._rng, {**again, self._fresh: 1 - sum(again.values())})
        for slot in self._slots:
            yield (None if slot.in_burst else way()(slot)) or self._fresh(slot)

    def _fresh(self, slot: Slot) -> Sent:
        place = self._burst_place if slot.in_burst else self._place()
        topic, register = "outage" if slot.in_burst else self._topic(), self._register()
        who = self._somebody(place if self._rng.random() < 0.85 else self._place(), register)
        if slot.channel == "call_centre" and topic not in FRIENDLY and self._rng.random() < 0.75:
            register = "note"
        said = self._writer.write(topic, slot.channel, who, place, register)
        told = self._told(slot, who, place, topic, said, register)
        sent = self._shaped(slot, told)
        if sent.truth.broken is None:
            self._past[slot.channel].append(Past(sent, told))
        return sent

    def _redelivered(self, slot: Slot) -> Sent | None:
        """The same bytes again."""
        if (first := self._recent(slot.channel)) is None:
            return None
        truth = msgspec.structs.replace(first.sent.truth, redelivery_of=first.sent.truth.event_id)
        return first.sent._replace(sent_us=slot.sent_us, truth=truth)

    def _reused(self, slot: Slot) -> Sent | None:
        """An id that the sender has used before, with another text."""
        if (first := self._recent(slot.channel)) is None:
            return None
        said = first.told.said
        said = said._replace(text=f"{said.text} {self._rng.choice(('(edited)', 'UPDATE', '2/2'))}")
        sent = self._shaped(slot, first.told._replace(said=said), intact=True)
        own = conflict_id(sent.source, sent.truth.event_id or "", payload_digest(sent.payload))
        return sent._replace(truth=msgspec.structs.replace(sent.truth, event_id=own, broken="id_reused"))

    def _copied(self, slot: Slot) -> Sent | None:
        """Somebody else passes a text on, nearly as it was."""
        if (first := self._recent(slot.channel, _WORTH_COPYING)) is None:
            return None
        told = first.told
        handle = told.who.handle if slot.channel == "social" else None
        said = told.said._replace(text=self._writer.copied(told.said.text, handle))
        who = self._somebody(told.place, told.who.register)
        copy = self._told(slot, who, told.place, told.topic, said, told.said_by)
        copy = copy._replace(beside=told.beside)
        return self._shaped(slot, copy, near_duplicate_of=first.sent.truth.event_id)

    def _told_again(self, slot: Slot) -> Sent | None:
        """A customer tells another channel what they told one already, in the same words or in others."""
        first = self._recent(
            self._rng.choice([name for name in SHAPES if name not in ("social", slot.channel)])
        )
        # A post has no number to tell the customer by, and an agent's notes are not the customer's words.
        if slot.channel == "social" or first is None or first.told.said_by == "note":
            return None
        if first.told.topic in FRIENDLY:
            return None
        told, truth, register = first.told, first.sent.truth, first.told.who.register
        if self._rng.random() < 0.5:
            said = told.said._replace(text=self._writer.copied(told.said.text, None))
        else:
            said = self._writer.write(told.topic, slot.channel, told.who, told.place, register, told.said)
        again = self._told(slot, told.who, told.place, told.topic, said, register)
        sent = self._shaped(slot, again, same_complaint_of=truth.event_id)
        return sent._replace(truth=msgspec.structs.replace(sent.truth, complaint_id=truth.complaint_id))

    def _told(self, slot: Slot, who: Person, place: Place, topic: str, said: Text, said_by: str) -> Told:
        rng, channel = self._rng, self._rates["channels"][slot.channel]
        self._number += 1 + int(rng.random() * 3)
        late = rng.random() < self._rates["happenings"]["late"]
        ago_us = int((3 + rng.random() ** 3 * 96) * _HOUR_US) if late else int(rng.random() * 90e6)
        beside = Text("")
        if slot.channel == "web_form":
            section = f"subject.{'friendly' if topic in FRIENDLY else topic}"
            beside = self._writer.line(section, who, place)
        elif slot.channel == "call_centre" and said_by != "note":
            beside = self._writer.line("agent_says", who, place)
        event_us = (slot.sent_us - ago_us) // 1_000_000 * 1_000_000
        hinted = rng.random() < channel["hinted"]
        (source,) = rng.choices(list(channel["sources"]), list(channel["sources"].values()))
        return Told(source, self._number, who, place, topic, said, beside, event_us, hinted, said_by)

    def _shaped(self, slot: Slot, told: Told, intact: bool = False, **links: str | None) -> Sent:
        """What is told as a payload, with its share of the day's damage, and its truth."""
        rng, rates, shape = self._rng, self._rates["happenings"], SHAPES[slot.channel]
        form, how = told.source == FORM_SOURCE, None
        if rng.random() < rates["broken"] and not intact:
            how = rng.choice(payloads.breaks(slot.channel, form))
        is_garbled = rng.random() < rates["garbled"]
        if is_garbled:
            told = told._replace(said=told.said._replace(text=garbled(told.said.text)))
        if how == "time_future":
            told = told._replace(event_us=told.event_us + int(200 + rng.random() * 9_000) * _HOUR_US)
        fields = payloads.fields(rng, slot.channel, told)
        own = None if how in payloads.HIDES_ID else event_id(told.source, shape.kind, fields[shape.id_key])
        if how is None:
            payload = payloads.encoded(fields, form)
        else:
            payload = payloads.broken(fields, slot.channel, form, how, rng.random())
        truth = _truth(slot, told, is_garbled, payload, event_id=own, broken=how, **links)
        return Sent(slot.channel, told.source, payload, FORM if form else JSON, slot.sent_us, truth)

    def _recent(self, channel: str, length: int = 0) -> Past | None:
        """An earlier event, its text so long at least: some of the newest come up again and again."""
        past = self._past[channel]
        drawn = [past[-1 - int(self._rng.random() ** 3 * len(past))] for _ in range(4 if past else 0)]
        return next((one for one in drawn if len(one.told.said.text) >= length), None)

    def _somebody(self, home: Place, register: str) -> Person:
        return person(self._rng, self._names, home, register)


def _slots(rng: Random, rates: dict[str, Any], events: int, midnight_us: int) -> list[Slot]:
    """All moments of a day that begins at `midnight_us`, in order; one burst is within its minutes."""
    burst, cells, weights = rates["burst"], list[tuple[int, str]](), list[float]()
    for name, channel in rates["channels"].items():
        cells += [(midnight_us + hour * _HOUR_US, name) for hour in range(24)]
        weights += [channel["share"] * hour / sum(channel["hours"]) for hour in channel["hours"]]
    bursting = round(events * burst["share"])
    start_us = midnight_us + int((9 + rng.random() * 10) * _HOUR_US)
    found = [
        Slot(hour_us + int(rng.random() * _HOUR_US), name, False)
        for hour_us, name in rng.choices(cells, weights, k=events - bursting)
    ]
    found += [
        # Most of them in its first minutes.
        Slot(start_us + int(rng.random() ** 1.5 * burst["minutes"] * 60_000_000), name, True)
        for name in rng.choices(list(burst["channels"]), list(burst["channels"].values()), k=bursting)
    ]
    return sorted(found)


def _truth(slot: Slot, told: Told, is_garbled: bool, payload: bytes, **known: str | None) -> Truth:
    named = told.said.places | told.beside.places.union(SHAPES[slot.channel].names if told.hinted else ())
    is_late = slot.sent_us - told.event_us > 2 * _HOUR_US
    traits = {"burst": slot.in_burst, "late": is_late, "garbled": is_garbled}
    return Truth(
        complaint_id=f"c{told.number}",
        kind=told.topic,
        l1=L1.get(told.topic, UNCLASSIFIED),
        l2=told.topic if told.topic in L1 else UNCLASSIFIED,
        region=told.place.state if named else None,
        city=told.place.city if "city" in named else None,
        event_us=told.event_us,
        is_complaint=told.topic not in FRIENDLY,
        pii=(*told.said.pii, *payloads.field_pii(told.who, payload)),
        traits=tuple(trait for trait, holds in traits.items() if holds),
        **known,
    )
