"""The curated tables, complaints as analysts count them and the numbers of a day, built again day by day.

Whatever changes a day later - late events, joined clusters, corrections - comes through here: a day that was
touched is built anew from `structured.events`, never patched. For the complaints that is the event date. For
the numbers it is the local date: an event date that was touched is built again with the days beside it, since
its events are of one of the three wherever they came from, and whatever they were before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from catalog.clock import Clock
from catalog.errors import CommitConflict
from catalog.lake import read
from catalog.lake.commit import Head, Lake
from catalog.lake.rebuild import rebuild, source_seq
from catalog.tables import ACCEPTED, COMPLAINTS, DERIVED, DUPLICATE, EVENTS, KPI_DAILY
from pipelines import kpis
from pipelines.aliases import Aliases
from pipelines.strays import Strays

COLUMNS = [name for name in EVENTS.arrow_schema.names if name in COMPLAINTS.arrow_schema.names] + ["text"]
"""The columns of events that complaints are made of."""


class Learned:
    """What was learned of the whole history, and the days that are to be built for it: it outlives a curator,
    since reading all of it again takes long."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.aliases, self.strays = Aliases(), Strays()
        self.joined: set[date] = set()
        self.moved: set[date] = set()
        self.head: Head | None = None
        """At or behind the commits it was learned of; None while it is being learned."""

    def hold_to(self, commit_seq: int, chain: Callable[[int], str | None]) -> None:
        """Forget it unless it was learned, to its end, of the history that table and plans tell now."""
        known = self.head
        if known is None or known.commit_seq > commit_seq or chain(known.commit_seq) != known.chain:
            self.forget()


class Curator:
    """The sequencer's turn that brings the curated tables to the last commit, every `every_s` at most."""

    def __init__(self, lake: Lake, clock: Clock, every_s: float, learned: Learned | None = None) -> None:
        self._lake = lake
        self._clock = clock
        self._every_s = every_s
        self._learned = learned or Learned()
        self._built_at_s: float | None = None

    def turn(self, commit_seq: int) -> bool:
        """Rebuild when the last time is long enough ago; never a reason to go on turning."""
        now_s = self._clock.elapsed_s()
        if self._built_at_s is None or now_s - self._built_at_s >= self._every_s:
            self._built_at_s = now_s
            self.build(commit_seq)
        return False

    def build(self, commit_seq: int, changed: Collection[date] = ()) -> None:
        """Rebuild every touched day of every curated table now; `changed` are event dates whose rows are
        others than their commits brought, as after some were erased."""
        built = {name: source_seq(self._lake, name) for name in DERIVED}
        due = [name for name in DERIVED if built[name] < commit_seq + bool(changed)]
        if not due:
            return
        # What came since the table that is furthest behind: for the others, some days more than needed.
        oldest = min(built.values())
        learned = self._learned
        learned.head = None
        learned.aliases.follow(self._lake, oldest)
        learned.joined |= learned.aliases.follow(self._lake, commit_seq)
        learned.strays.follow(self._lake, oldest)
        learned.moved |= learned.strays.follow(self._lake, commit_seq, changed)
        learned.head = self._lake.head(EVENTS.name)
        days = self._touched(oldest, commit_seq) | set(changed)
        makers = {COMPLAINTS.name: self._complaints, KPI_DAILY.name: self._kpis}
        try:
            for name in due:
                made, received_to = makers[name](days, commit_seq), learned.strays.received_to()
                rebuild(self._lake, name, made, commit_seq, received_to)
        except CommitConflict:
            return  # whoever was faster built it, or only moved the table: the next time tells
        learned.joined.clear()
        learned.moved.clear()

    def _touched(self, built: int, seq: int) -> set[date]:
        """Event dates with rows of the commits since, and those with members of clusters joined by them."""
        return set(read.touched(self._lake, EVENTS.name, built + 1, seq)) | self._learned.joined

    def _complaints(self, days: Collection[date], seq: int) -> Iterator[tuple[date, pa.Table]]:
        representatives = self._learned.aliases.representatives()
        for day, events in read.days(self._lake, EVENTS.name, sorted(days), seq, COLUMNS):
            yield day, complaints(events, representatives)

    def _kpis(self, days: Collection[date], seq: int) -> Iterator[tuple[date, pa.Table]]:
        """Month by month the rows of the days that changed, and those of the others as they are."""
        local = {each for day in days for each in _beside(day)} | self._learned.moved
        for month, made in groupby(self._daily(sorted(local), seq), lambda each: kpis.month(each[0])):
            fresh = dict(made)
            held = read.whole(self._lake, KPI_DAILY.name, month)
            kept = held.filter(pc.invert(pc.is_in(held["local_date"], pa.array(fresh, pa.date32()))))
            yield month, kpis.ordered(pa.concat_tables([kept, *fresh.values()]))

    def _daily(self, local: Sequence[date], seq: int) -> Iterator[tuple[date, pa.Table]]:
        """The rows of each of these local dates, in order: of events under it and the event dates beside it,
        which are held while they are needed, and of strays."""
        representatives, strays = self._learned.aliases.representatives(), self._learned.strays.of(set(local))
        near = {day: _beside(day) for day in local}
        needed = sorted(set().union(*near.values()))
        reading = read.days(self._lake, EVENTS.name, needed, seq, kpis.COLUMNS)
        counted: dict[date, pa.Table] = {}
        for day in local:
            while any(each not in counted for each in near[day]):
                event_date, events = next(reading)
                counted[event_date] = kpis.counted(events, representatives)
            parts = [counted[each].filter(pc.equal(counted[each]["local_date"], day)) for each in near[day]]
            yield day, kpis.kpis(pa.concat_tables([*parts, strays.get(day, kpis.COUNTED.empty_table())]))
            counted = {each: rows for each, rows in counted.items() if each >= day}


def _beside(day: date) -> list[date]:
    """A day, the one before and the one after, where dates go so far."""
    around = range(day.toordinal() - 1, day.toordinal() + 2)
    return [date.fromordinal(each) for each in around if 0 < each <= date.max.toordinal()]


def complaints(events: pa.Table, representatives: dict[str, str]) -> pa.Table:
    """The curated rows of a day's events: those that are complaints of their own or duplicates of one,
    each in the cluster that stands for its joined ones."""
    kinds = pa.array([ACCEPTED, DUPLICATE], pa.large_string())
    kept = events.filter(pc.is_in(events["disposition"], kinds))
    cluster_id = kpis.resolved(kept["cluster_id"], representatives)
    is_representative = pc.fill_null(pc.equal(cluster_id, kept["event_id"]), False)
    made = {
        "cluster_id": cluster_id,
        "is_representative": is_representative,
        "redacted_text": kept["text"],
    }
    schema = COMPLAINTS.arrow_schema
    arrays = [made[name] if name in made else kept[name] for name in schema.names]
    return pa.Table.from_arrays(arrays, names=schema.names).cast(schema)
