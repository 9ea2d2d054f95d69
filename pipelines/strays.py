"""Events that count on a day far from where they lie, as those whose clock was wrong: held back, under the
date of their arrival, but of the day their clock said.

All others lie within a day of their local date. These are few and only add to what was held back; so they are
read once, kept as numbers, and then followed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.tables import EVENTS, QUARANTINED
from pipelines.kpis import COLUMNS, COUNTED, KEYS

Key = tuple[Any, ...]
"""A value for each of `KEYS`."""


class Strays:
    """The strays up to a commit, by the event date under which they lie."""

    def __init__(self) -> None:
        self._seq = 0
        self._counts: dict[date, Counter[Key]] = {}
        self._received: dict[date, date] = {}

    def follow(self, lake: Lake, seq: int, changed: Iterable[date] = ()) -> set[date]:
        """Learn what the commits up to `seq` brought, and read the event dates `changed` again; gives the
        days on which strays came or went by that."""
        days = {*read.touched(lake, EVENTS.name, self._seq + 1, seq), *changed}
        self._seq = max(self._seq, seq)
        moved: set[date] = set()
        for day, events in read.days(lake, EVENTS.name, sorted(days), self._seq, COLUMNS):
            before, now = self._counts.get(day, Counter()), _strays(events, day)
            moved |= {key[0] for key in before | now if before[key] != now[key]}
            self._counts[day] = now
            if events.num_rows:
                self._received[day] = pc.max(events["received_at"]).as_py().date()
            else:
                self._received.pop(day, None)
        return moved

    def received_to(self) -> date | None:
        """The UTC date on which the newest event was received."""
        return max(self._received.values(), default=None)

    def of(self, days: Collection[date]) -> dict[date, pa.Table]:
        """The strays that count on these days, as `kpis.counted` has them."""
        found: dict[date, Counter[Key]] = {}
        for counts in self._counts.values():
            for key, number in counts.items():
                if key[0] in days:
                    found.setdefault(key[0], Counter())[key] += number
        return {day: _counted(counts) for day, counts in found.items()}


def _strays(events: pa.Table, day: date) -> Counter[Key]:
    lies = pa.scalar(day, pa.date32()).cast(pa.int32())
    is_away = pc.greater(pc.abs(pc.subtract(events["local_date"].cast(pa.int32()), lies)), 1)
    found = events.filter(pc.and_(is_away, pc.equal(events["disposition"], QUARANTINED)))
    return Counter(zip(*(found[name].to_pylist() for name in KEYS), strict=True))


def _counted(counts: Counter[Key]) -> pa.Table:
    rows = [
        dict(zip(KEYS, key, strict=True)) | {"complaints": 0, "quarantined": number}
        for key, number in counts.items()
    ]
    return pa.Table.from_pylist(rows, schema=COUNTED)
