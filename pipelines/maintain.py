"""Upkeep of the tables, as turns of the sequencer's loop: between commits, never beside one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from catalog.clock import Clock, utc_date
from catalog.errors import CommitConflict
from catalog.lake import upkeep
from catalog.lake.commit import Lake
from catalog.tables import TABLES

EXPIRE_COMMITS = 25
COMPACT_COMMITS = upkeep.OPEN_FILES
"""By then the open day may be due, and a query has not many more files to open."""
SWEEP_COMMITS = 2_000


class Maintainer:
    """Expires snapshots, merges small files and removes what no snapshot names, each after so many commits.

    A conflict only means that another writer was there: the next turn does it.
    """

    def __init__(self, lake: Lake, clock: Clock) -> None:
        self._lake = lake
        self._clock = clock
        self._done: dict[Callable[[str], object], int] = {}

    def turn(self, commit_seq: int) -> bool:
        """Do what is due at this commit; never a reason to go on turning."""
        for work, every in (
            (self._expire, EXPIRE_COMMITS),
            (self._compact, COMPACT_COMMITS),
            (self._sweep, SWEEP_COMMITS),
        ):
            if commit_seq - self._done.setdefault(work, commit_seq - commit_seq % every) >= every:
                self._done[work] = commit_seq
                for table in TABLES:
                    try:
                        work(table)
                    except CommitConflict:
                        continue
        return False

    def _expire(self, table: str) -> None:
        upkeep.expire(self._lake, table, self._clock.now_us())

    def _compact(self, table: str) -> None:
        # Closed once its events can no longer be "today" anywhere; others wait for more files.
        closed = utc_date(self._clock.now_us()) - timedelta(days=1)
        upkeep.compact(self._lake, table, closed)

    def _sweep(self, table: str) -> None:
        upkeep.sweep_orphans(self._lake, table, self._clock.now_us())
