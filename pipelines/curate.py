"""The curated table: complaints as analysts count them, rebuilt per event date that was touched.

Whatever changes a day's complaints later - late events, joined clusters, corrections - comes through here:
the day is built again from `structured.events`, never patched.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from catalog.clock import Clock
from catalog.errors import CommitConflict
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.rebuild import rebuild, source_seq
from catalog.tables import ACCEPTED, COMPLAINTS, DUPLICATE, EVENTS
from pipelines.aliases import Aliases

COLUMNS = [name for name in EVENTS.arrow_schema.names if name in COMPLAINTS.arrow_schema.names] + ["text"]
"""The columns of events that complaints are made of."""


class Curator:
    """The sequencer's turn that brings `curated.complaints` to the last commit, every `every_s` at most."""

    def __init__(self, lake: Lake, clock: Clock, every_s: float) -> None:
        self._lake = lake
        self._clock = clock
        self._every_s = every_s
        self._aliases = Aliases(lake)
        self._joined: set[str] = set()
        self._built_at_s: float | None = None

    def turn(self, commit_seq: int) -> bool:
        """Rebuild when the last time is long enough ago; never a reason to go on turning."""
        now_s = self._clock.elapsed_s()
        if self._built_at_s is None or now_s - self._built_at_s >= self._every_s:
            self._built_at_s = now_s
            self.build(commit_seq)
        return False

    def build(self, commit_seq: int) -> None:
        """Rebuild every touched day now."""
        built = source_seq(self._lake, COMPLAINTS.name)
        if built >= commit_seq:
            return
        self._aliases.follow(built)
        self._joined |= self._aliases.follow(commit_seq)
        days = self._touched(built, commit_seq, self._joined)
        try:
            rebuild(self._lake, COMPLAINTS.name, self._days(days, commit_seq), commit_seq)
        except CommitConflict:
            return  # whoever was faster built it, or only moved the table: the next time tells
        self._joined.clear()

    def _touched(self, built: int, seq: int, joined: set[str]) -> list[date]:
        """Event dates with rows of the commits since, and those with members of clusters joined by them."""
        touched = set(read.touched(self._lake, EVENTS.name, built + 1, seq))
        if joined:
            known = read.rows(self._lake, EVENTS.name, 1, built, ["event_date", "cluster_id"])
            members = pc.is_in(known["cluster_id"], pa.array(sorted(joined), pa.large_string()))
            touched |= set(known.filter(members)["event_date"].unique().to_pylist())
        return sorted(touched)

    def _days(self, days: list[date], seq: int) -> Iterator[tuple[date, pa.Table]]:
        representatives = self._aliases.representatives()
        for day, events in read.days(self._lake, EVENTS.name, days, seq, COLUMNS):
            yield day, complaints(events, representatives)


def complaints(events: pa.Table, representatives: dict[str, str]) -> pa.Table:
    """The curated rows of a day's events: those that are complaints of their own or duplicates of one,
    each in the cluster that stands for its joined ones."""
    kinds = pa.array([ACCEPTED, DUPLICATE], pa.large_string())
    kept = events.filter(pc.is_in(events["disposition"], kinds))
    clusters = [representatives.get(each, each) for each in kept["cluster_id"].to_pylist()]
    cluster_id = pa.array(clusters, pa.large_string())
    is_representative = pc.fill_null(pc.equal(cluster_id, kept["event_id"].combine_chunks()), False)
    made = {
        "cluster_id": cluster_id,
        "is_representative": is_representative,
        "redacted_text": kept["text"],
    }
    schema = COMPLAINTS.arrow_schema
    arrays = [made[name] if name in made else kept[name] for name in schema.names]
    return pa.Table.from_arrays(arrays, names=schema.names).cast(schema)
