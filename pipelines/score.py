"""How well a run decided events whose truth is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from catalog.tables import DUPLICATE, QUARANTINED
from pipelines.simulator.sent import Truth

COLUMNS = ("event_id", "disposition", "text", "is_complaint", "l1", "l2", "region", "linked_to")
"""What a table of decided rows must have; `text` is the redacted text, null where there is none."""
_DIGITS = re.compile(r"\D")
_TAIL = 6
"""So many last digits of a number left standing are a leak."""


class Ratio(NamedTuple):
    """So many of so many."""

    hits: int
    of: int

    def __str__(self) -> str:
        return f"{self.hits}/{self.of} = {self.hits / self.of:.1%}" if self.of else "none"


class Score(NamedTuple):
    """`confusion` counts (true l2, decided l2); the links are near-duplicates, `repeated` same complaints;
    `leaks` are by kind, identifiers still readable in the text of those that stood in the event."""

    matched: Ratio
    quarantine_recall: Ratio
    quarantine_precision: Ratio
    is_complaint: Ratio
    l1: Ratio
    l2: Ratio
    region: Ratio
    link_precision: Ratio
    link_recall: Ratio
    repeated_precision: Ratio
    repeated_recall: Ratio
    confusion: Mapping[tuple[str, str], int]
    leaks: Mapping[str, Ratio]


class _Pair(NamedTuple):
    truth: Truth
    row: dict[str, Any]


def score(truths: Iterable[Truth], decided: pa.Table) -> Score:
    """Compare rows with columns `COLUMNS`, matched by event id; a redelivery counts once.

    Labels and places are scored over complaints and events that were rightly let through; a link is right
    when both ends tell the same text or the same complaint.
    """
    rows = {row["event_id"]: row for row in decided.select(COLUMNS).to_pylist()}
    known = {truth.event_id: truth for truth in truths if truth.event_id and truth.redelivery_of is None}
    pairs = [_Pair(truth, rows[event_id]) for event_id, truth in known.items() if event_id in rows]
    read = [pair for pair in pairs if pair.row["disposition"] != QUARANTINED and pair.truth.broken is None]
    held = [pair for pair in pairs if pair.row["disposition"] == QUARANTINED]
    complaints = [pair for pair in read if pair.truth.is_complaint]
    linked = [pair for pair in read if pair.row["linked_to"] and pair.row["disposition"] != DUPLICATE]
    repeated = [pair for pair in read if pair.row["disposition"] == DUPLICATE]
    origins = {event_id: _origin(truth) for event_id, truth in known.items()}
    return Score(
        matched=Ratio(len(pairs), len(known)),
        quarantine_recall=_ratio(p.row["disposition"] == QUARANTINED for p in pairs if p.truth.broken),
        quarantine_precision=_ratio(p.truth.broken is not None for p in held),
        is_complaint=_ratio(p.row["is_complaint"] == p.truth.is_complaint for p in read),
        l1=_ratio(p.row["l1"] == p.truth.l1 for p in complaints),
        l2=_ratio(p.row["l2"] == p.truth.l2 for p in complaints),
        region=_ratio(_same_region(p) for p in read),
        link_precision=_ratio(_same_origin(p, origins) for p in linked),
        link_recall=_ratio(_same_origin(p, origins) for p in read if p.truth.near_duplicate_of),
        repeated_precision=_ratio(_same_origin(p, origins) for p in repeated),
        repeated_recall=_ratio(p.row["disposition"] == DUPLICATE for p in read if p.truth.same_complaint_of),
        confusion=Counter((p.truth.l2, str(p.row["l2"])) for p in complaints),
        leaks=_leaks(read),
    )


def table(found: Score) -> str:
    """The score as lines of text."""
    lines = [f"{name:22}{value}" for name, value in found._asdict().items() if isinstance(value, Ratio)]
    lines += [f"leaked {kind:15}{ratio}" for kind, ratio in sorted(found.leaks.items())]
    labels = sorted({label for pair in found.confusion for label in pair})
    lines.append(f"{'true, decided':18}" + "".join(f"{label[:11]:>12}" for label in labels))
    for true in labels:
        lines.append(
            f"{true:18}" + "".join(f"{found.confusion.get((true, label), 0):12}" for label in labels)
        )
    return "\n".join(lines)


def _ratio(hits: Iterable[bool]) -> Ratio:
    counted = Counter(map(bool, hits))
    return Ratio(counted[True], counted.total())


def _origin(truth: Truth) -> str | None:
    return truth.near_duplicate_of or truth.same_complaint_of or truth.event_id


def _same_origin(pair: _Pair, origins: Mapping[str, str | None]) -> bool:
    linked_to = pair.row["linked_to"]
    return linked_to in origins and origins[linked_to] == _origin(pair.truth)


def _same_region(pair: _Pair) -> bool:
    return (pair.row["region"] or "").casefold() == (pair.truth.region or "").casefold()


def _leaks(read: Iterable[_Pair]) -> dict[str, Ratio]:
    found: dict[str, list[bool]] = {}
    for truth, row in read:
        text = row["text"] or ""
        for kind, value in truth.pii:
            found.setdefault(kind, []).append(any(_traces(value, text)))
    return {kind: _ratio(hits) for kind, hits in found.items()}


def _traces(value: str, text: str) -> Iterator[bool]:
    yield value.casefold() in text.casefold()
    number = _DIGITS.sub("", value)
    if len(number) >= _TAIL and not any(letter.isalpha() for letter in value):
        yield number[-_TAIL:] in _DIGITS.sub("", text)
