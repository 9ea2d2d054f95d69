"""Verification: what was stored against what the table's files hold, by sets of event ids.

It shares nothing with the sequencer but the frame codec and the table reader. It trusts no count, no
ledger and no memory: it decodes the log and the raw layer and reads the ids out of the data files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa

from catalog.control.plans import Range
from catalog.envelope import Located
from catalog.ids import conflict_id, corrupt_frame_id, payload_digest
from catalog.log.port import Segment


class Corrupt(NamedTuple):
    """Stored bytes that cannot be trusted: the file under the home, and the offset where known."""

    file: str
    offset: int


class Bad(Protocol):
    """A place in a segment that is not as it was written."""

    @property
    def offset(self) -> int: ...


class Stored(NamedTuple):
    """Everything readable in log and raw, each frame once, and what is not readable.

    `suspect` are segments some of whose frames are in an unreadable raw file.
    """

    frames: list[Located]
    corrupt: list[Corrupt]
    suspect: frozenset[str]


class Ids(NamedTuple):
    """Identity columns of every row at one commit, straight from the data files."""

    commit_seq: int
    rows: pa.Table
    unreadable: list[str]


class Report(NamedTuple):
    """`missing`: committed, not in the table. `doubled`: there more than once. `foreign`: there without
    a committed frame. `pending` counts frames that are durable and not committed yet."""

    ok: bool
    missing: list[str]
    doubled: list[str]
    foreign: list[str]
    corrupt: list[Corrupt]
    pending: int


class LogReader(Protocol):
    """What verification reads of a log (`catalog.log.local.LocalLog`)."""

    def segments(self) -> list[Segment]: ...
    def salvage(self, segment: str) -> tuple[list[Located], Sequence[Bad]]: ...


class RawReader(Protocol):
    """What verification reads of the raw layer (`catalog.raw.Raw`)."""

    def segments(self) -> list[str]: ...
    def salvage(self, segment: str) -> tuple[list[Located], list[str]]: ...


def stored(log: LogReader, raw: RawReader) -> Stored:
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
    """Which offsets of which segment are in committed plans."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._starts: dict[str, list[int]] = defaultdict(list)
        self._stops: dict[str, list[int]] = defaultdict(list)
        for cut in sorted(ranges, key=lambda cut: (cut.segment, cut.start)):
            self._starts[cut.segment].append(cut.start)
            self._stops[cut.segment].append(cut.stop)

    def __contains__(self, at: tuple[str, int]) -> bool:
        segment, offset = at
        before = bisect_right(self._starts.get(segment, ()), offset) - 1
        return before >= 0 and offset < self._stops[segment][before]


def verify(found: Stored, committed: Coverage, table: Ids, given_up: frozenset[tuple[str, int]]) -> Report:
    """Compare what is stored with the table. `given_up` are frames a person wrote off."""
    required: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, str] = {}
    pending = 0
    for at in found.frames:
        if (at.segment, at.offset) not in committed:
            pending += 1
        elif at.envelope is None:
            required[corrupt_frame_id(at.segment, at.offset)].add("")
        else:
            required[at.envelope.event_id].add(payload_digest(at.envelope.payload))
            sources[at.envelope.event_id] = at.envelope.source
    for segment, offset in given_up:
        if (segment, offset) in committed:
            required[corrupt_frame_id(segment, offset)].add("")
    rows = table.rows.to_pylist()
    present = {_pair(row) for row in rows}
    missing = _missing(required, sources, present, {row["event_id"] for row in rows})
    doubled = sorted(name for name, times in Counter(row["event_id"] for row in rows).items() if times > 1)
    doubled += sorted(_pairs_twice(rows) - set(doubled))
    foreign = sorted(
        row["event_id"]
        for row in rows
        if _pair(row)[1] not in required.get(_pair(row)[0], ()) and row["segment"] not in found.suspect
    )
    corrupt = [bad for bad in found.corrupt if not _written_off(bad, given_up)]
    corrupt += [Corrupt(path, 0) for path in table.unreadable]
    ok = not (missing or doubled or foreign or corrupt)
    return Report(ok, missing, doubled, foreign, corrupt, pending)


def _pair(row: Mapping[str, str]) -> tuple[str, str]:
    """The id and the digest of the bytes that a row stands for."""
    if row["reason"] == "frame_corrupt":
        return row["event_id"], ""
    return row["conflicts_with"] or row["event_id"], row["payload_digest"]


def _pairs_twice(rows: Sequence[Mapping[str, str]]) -> set[str]:
    times = Counter(map(_pair, rows))
    return {row["event_id"] for row in rows if times[_pair(row)] > 1}


def _missing(
    required: Mapping[str, set[str]], sources: Mapping[str, str], present: set[tuple[str, str]], ids: set[str]
) -> list[str]:
    missing: list[str] = []
    for name, digests in required.items():
        absent = [digest for digest in digests if (name, digest) not in present]
        own = name in ids
        if not own:
            missing.append(name)
            absent = absent[1:]  # one of the absent bytes would have been the id's own row
        missing += [conflict_id(sources[name], name, digest) for digest in absent]
    return sorted(missing)


def _written_off(bad: Corrupt, given_up: frozenset[tuple[str, int]]) -> bool:
    segment = bad.file.removeprefix("log/").partition(".")[0]
    return (segment, bad.offset) in given_up
