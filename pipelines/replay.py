"""Replay: the envelopes of a span of event dates out of the raw layer, as they came in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from catalog.envelope import Envelope
from catalog.raw import File, Raw, from_line


def files(raw: Raw, first: date, last: date) -> list[File]:
    """The raw files whose event date lies in [first, last], by manifest; those of unknown date are not."""
    wanted = (first.isoformat(), last.isoformat())
    return [
        file
        for segment in raw.segments()
        for file in raw.manifest(segment).files
        if wanted[0] <= file.event_date <= wanted[1]
    ]


def envelopes(raw: Raw, first: date, last: date) -> Iterator[list[Envelope]]:
    """The envelopes of each such file, in the log's order, the same bytes under the same ids."""
    for file in files(raw, first, last):
        located = map(from_line, raw.lines(file))
        yield [at.envelope for at in sorted(located, key=lambda at: at.offset) if at.envelope is not None]
