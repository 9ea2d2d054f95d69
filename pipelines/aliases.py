"""Clusters that an event joined: which of them stands for all of them.

A bridge is a fact on a row (`cluster_id`, `bridges`); who stands for a joined group is its cluster whose
first member, of those that are left, came first in commit order. The facts only grow, so they are read once
and then followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.tables import EVENTS


class Aliases:
    """Every joined cluster and its group, up to a commit."""

    def __init__(self) -> None:
        self._seq = 0
        self._groups: dict[str, frozenset[str]] = {}
        self._places: dict[str, tuple[str | int, ...]] = {}
        """Plan, segment and offset of each one's first member."""

    def follow(self, lake: Lake, seq: int) -> set[date]:
        """Learn the bridges of the commits up to `seq`; the event dates under which members of the clusters
        lie whose group grew by them."""
        grown: set[str] = set()
        for cluster, others in self._bridges(lake, seq):
            group = frozenset({cluster, *others}).union(
                *(self._groups.get(each, frozenset()) for each in (cluster, *others))
            )
            if group != self._groups.get(cluster):
                self._groups.update(dict.fromkeys(group, group))
                grown |= group
        days = self._locate(lake, grown, seq)
        self._seq = max(self._seq, seq)
        return days

    def representatives(self) -> dict[str, str]:
        """Each joined cluster's representative."""

        def came(cluster: str) -> tuple[bool, tuple[str | int, ...], str]:
            place = self._places.get(cluster, ())
            return not place, place, cluster  # one without a member any more comes last

        return {cluster: min(group, key=came) for cluster, group in self._groups.items()}

    def _locate(self, lake: Lake, clusters: set[str], seq: int) -> set[date]:
        if not clusters:
            return set()
        names = ["cluster_id", "plan", "segment", "offset"]
        wanted, days = (
            pa.array(sorted(clusters), pa.large_string()),
            read.touched(lake, EVENTS.name, 1, seq),
        )
        held: set[date] = set()
        for day, rows in read.days(lake, EVENTS.name, days, seq, names):
            found = rows.filter(pc.is_in(rows["cluster_id"], wanted))
            for cluster, *place in zip(*(found[name].to_pylist() for name in names), strict=True):
                self._places[cluster] = min(tuple(place), self._places.get(cluster, tuple(place)))
                held.add(day)
        return held

    def _bridges(self, lake: Lake, seq: int) -> Iterator[tuple[str, list[str]]]:
        """Of the commits up to `seq`, in any order: a group is the same whichever bridge made it first."""
        days = read.touched(lake, EVENTS.name, self._seq + 1, seq)
        columns = ["cluster_id", "bridges", "plan"]
        for _, rows in read.days(lake, EVENTS.name, days, seq, columns):
            rows = rows.filter(pc.and_(rows["bridges"].is_valid(), pc.greater(rows["plan"], self._seq)))
            yield from zip(rows["cluster_id"].to_pylist(), rows["bridges"].to_pylist(), strict=True)
