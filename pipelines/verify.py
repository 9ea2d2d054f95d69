"""Verification: what was stored against what the table's files hold, by sets of event ids.

It shares nothing with the sequencer but the frame codec and the table reader. It trusts no count, no
ledger and no memory: it decodes the log and the raw layer and reads the ids out of the data files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from catalog.control.plans import Amendments, Range
from catalog.envelope import Located
from catalog.ids import conflict_id, corrupt_frame_id, payload_digest
from catalog.lake.read import Identities
from catalog.log.port import Log
from catalog.raw import Raw


class Corrupt(NamedTuple):
    """Stored bytes that cannot be trusted: the file under the home, and the offset where known."""

    file: str
    offset: int


class Stored(NamedTuple):
    """Everything readable in log and raw, each frame once, and what is not readable.

    `suspect` are segments some of whose frames are in an unreadable raw file.
    """

    frames: list[Located]
    corrupt: list[Corrupt]
    suspect: frozenset[str]


class Report(NamedTuple):
    """`missing`: committed, not in the table. `doubled`: there more than once. `foreign`: there without
    a committed frame. `pending` counts frames that are durable and not committed yet."""

    ok: bool
    missing: list[str]
    doubled: list[str]
    foreign: list[str]
    corrupt: list[Corrupt]
    pending: int


def stored(log: Log, raw: Raw) -> Stored:
    """Decode everything. The log first: a segment that leaves it meanwhile is in the raw layer by then."""
    frames: dict[tuple[str, int], Located] = {}
    corrupt: list[Corrupt] = []
    for segment in log.segments():
        try:
            found, bad = log.salvage(segment.name)
        except LookupError:
            continue
        frames |= {(at.segment, at.offset): at for at in found}
        file = f"log/{segment.name}.{'sealed' if segment.sealed else 'log'}"
        corrupt += [Corrupt(file, at.offset) for at in bad]
    suspect: set[str] = set()
    for name in raw.segments():
        found, damaged = raw.salvage(name)
        frames |= {(at.segment, at.offset): at for at in found}
        corrupt += [Corrupt(f"raw/{file}", 0) for file in damaged]
        suspect |= {name} if damaged else set()
    return Stored(list(frames.values()), corrupt, frozenset(suspect))


class Coverage:
    """Which committed plan cut which offsets of which segment."""

    def __init__(self, cuts: Iterable[tuple[int, Range]]) -> None:
        """From (n, range) of each range of each committed plan, in the plans' order."""
        self._cuts: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for position, (_, cut) in enumerate(cuts):
            self._cuts[cut.segment].append((cut.start, cut.stop, position))
        for found in self._cuts.values():
            found.sort()

    def position_of(self, segment: str, offset: int) -> int | None:
        """The position among the ranges; None when the frame is in none."""
        found = self._cuts.get(segment, [])
        before = bisect_right(found, offset, key=lambda cut: cut[0]) - 1
        return found[before][2] if before >= 0 and offset < found[before][1] else None


def verify(found: Stored, committed: Coverage, table: Identities, amendments: Amendments) -> Report:
    """Compare what is stored with the table. The amendments tell which frames a person wrote off."""
    given_up = amendments.corrupt | amendments.lost
    planned = [(committed.position_of(at.segment, at.offset), at) for at in found.frames]
    pending = sum(position is None for position, _ in planned)
    # In commit order: the first bytes under an id are its own, others are its conflicts.
    in_order = sorted((position, at.offset, at) for position, at in planned if position is not None)
    required: dict[str, dict[str, None]] = defaultdict(dict)
    sources: dict[str, str] = {}
    for *_, at in in_order:
        if at.envelope is not None:
            required[at.envelope.event_id][payload_digest(at.envelope.payload)] = None
            sources[at.envelope.event_id] = at.envelope.source
    rows = table.rows.to_pylist()
    places = {(row["segment"], row["offset"]) for row in rows if row["reason"] != "frame_corrupt"}
    for segment, offset in amendments.corrupt - places:  # in `places`: decided before it was written off
        if committed.position_of(segment, offset) is not None:
            required[corrupt_frame_id(segment, offset)][""] = None
    present = {_pair(row) for row in rows}
    missing = _missing(required, sources, present, {row["event_id"] for row in rows})
    doubled = sorted(name for name, times in Counter(row["event_id"] for row in rows).items() if times > 1)
    doubled += sorted(_pairs_twice(rows) - set(doubled))
    foreign = sorted(
        row["event_id"]
        for row in rows
        if _pair(row)[1] not in required.get(_pair(row)[0], ())
        and row["segment"] not in found.suspect
        and not _was_given_up(row, given_up, found.frames)
    )
    corrupt = [bad for bad in found.corrupt if not _written_off(bad, given_up)]
    corrupt += [Corrupt(path, 0) for path in table.unreadable]
    ok = not (missing or doubled or foreign or corrupt)
    return Report(ok, missing, doubled, foreign, corrupt, pending)


def _was_given_up(
    row: Mapping[str, Any], given_up: frozenset[tuple[str, int]], frames: Sequence[Located]
) -> bool:
    """Whether a row stands for a frame written off: decided before it was damaged, or one of several adjacent
    ones, whose rows have the offsets right behind the first one's."""
    segment, offset = row["segment"], row["offset"]
    if row["reason"] != "frame_corrupt":
        return (segment, offset) in given_up
    before = max((at for name, at in given_up if name == segment and at < offset), default=None)
    return before is not None and not any(
        at.segment == segment and before < at.offset <= offset for at in frames
    )


def _pair(row: Mapping[str, str]) -> tuple[str, str]:
    """The id and the digest of the bytes that a row stands for."""
    if row["reason"] == "frame_corrupt":
        return row["event_id"], ""
    return row["conflicts_with"] or row["event_id"], row["payload_digest"]


def _pairs_twice(rows: Sequence[Mapping[str, str]]) -> set[str]:
    times = Counter(map(_pair, rows))
    return {row["event_id"] for row in rows if times[_pair(row)] > 1}


def _missing(
    required: Mapping[str, Mapping[str, None]],
    sources: Mapping[str, str],
    present: set[tuple[str, str]],
    ids: set[str],
) -> list[str]:
    missing: list[str] = []
    for name, digests in required.items():
        own, *others = digests
        if name not in ids or (name, own) not in present:
            missing.append(name)
        missing += [conflict_id(sources[name], name, each) for each in others if (name, each) not in present]
    return sorted(missing)


def _written_off(bad: Corrupt, given_up: frozenset[tuple[str, int]]) -> bool:
    segment = bad.file.removeprefix("log/").partition(".")[0]
    return (segment, bad.offset) in given_up
