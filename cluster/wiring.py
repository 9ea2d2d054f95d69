"""One factory wires every runtime: the same plain objects, in one process or as Ray actors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from actors.dedup.config import DedupConfig
from actors.sequencer.config import MemoryPort, Ports, SequencerConfig, WorkersPort
from actors.sequencer.lease import Lease
from actors.sequencer.loop import run
from actors.sequencer.sequencer import Sequencer
from actors.worker.config import WorkerConfig
from catalog.clock import Clock, SystemClock
from catalog.control.plans import PlanStore
from catalog.control.schema import open_control, sqlite_url
from catalog.errors import ChainBroken, CorruptFrame
from catalog.history import History
from catalog.lake import read
from catalog.lake.commit import Committed, Head, Lake
from catalog.log.local import LocalLog, WriterConfig
from catalog.raw import Raw
from catalog.tables import EVENTS
from cluster.home import Home
from cluster.settings import BUNDLE, Settings
from pipelines import flow
from pipelines.maintain import Maintainer
from pipelines.publish import Publisher


class Facts:
    """The lake as the sequencer sees it: running totals and the shared history are held here."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def self_test(self) -> None:
        """See `Lake.self_test`."""
        self._lake.self_test()

    def check_history(self) -> None:
        """See `Lake.check_history`, of the events."""
        self._lake.check_history(EVENTS.name)

    def head(self, table: str) -> Head:
        """See `Lake.head`."""
        return self._lake.head(table)

    def reconnect(self) -> None:
        """See `Lake.reconnect`."""
        self._lake.reconnect()

    def rows(self, after: int, upto: int) -> pa.Table:
        """Rows of the plans after `after`, up to and with `upto`."""
        return read.rows(self._lake, EVENTS.name, after + 1, upto)

    def commit(
        self, table: str, n: int, rows: pa.Table, before: str, chain: str, counts: dict[str, dict[str, int]]
    ) -> bool:
        """Commit plan n on a table whose chain is `before`; True when it was committed already."""
        head = self._lake.head(table)
        if head.commit_seq == n - 1 and head.chain != before:
            raise ChainBroken("the table follows another history than the plans", table=table, n=n)
        committed = self._lake.commit(
            table,
            seq=n,
            rows=rows,
            chain=chain,
            counts=counts,
            totals=add(head.totals, counts),
            step="commit" if table == EVENTS.name else "ledger",
        )
        return committed is Committed.ALREADY


def add(
    left: Mapping[str, Mapping[str, int]], right: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """Two tallies by channel and outcome, summed."""
    return {
        channel: {
            outcome: left.get(channel, {}).get(outcome, 0) + right.get(channel, {}).get(outcome, 0)
            for outcome in {**left.get(channel, {}), **right.get(channel, {})}
        }
        for channel in {**left, **right}
    }


class Stores(NamedTuple):
    """Every store of one home, opened."""

    home: Home
    clock: Clock
    log: LocalLog
    raw: Raw
    plans: PlanStore

    def lake(self) -> Lake:
        """Open the lake; apart from the rest, since some commands need none."""
        return Lake(self.home.root)


def open_stores(settings: Settings) -> Stores:
    """Open the log, the raw layer and the control database of a home, creating what is missing."""
    home, clock = Home(settings.home), SystemClock()
    home.make()
    plans = PlanStore(open_control(sqlite_url(home.control)))
    return Stores(home, clock, LocalLog(home.log, clock), Raw(home.raw), plans)


def open_log(settings: Settings) -> tuple[LocalLog, Clock]:
    """The log alone: a door needs nothing else to acknowledge."""
    home, clock = Home(settings.home), SystemClock()
    home.make()
    return LocalLog(home.log, clock), clock


def open_history(settings: Settings) -> History:
    """Where a flow worker reads its frames."""
    home = Home(settings.home)
    return History(LocalLog(home.log, SystemClock()), Raw(home.raw))


def writer_config(settings: Settings) -> WriterConfig:
    """How a door writes."""
    return WriterConfig(
        segment_bytes=settings.segment_bytes,
        segment_age_s=settings.segment_age_s,
        min_free_bytes=settings.min_free_bytes,
    )


def worker_config(settings: Settings) -> WorkerConfig:
    """What each flow worker is built from."""
    return WorkerConfig(partial(open_history, settings), flow.pure, settings.batch_rows)


def dedup_config(settings: Settings) -> DedupConfig:
    """What the memory of ids is built from."""
    return DedupConfig(Home(settings.home).state)


def sequencer_config(settings: Settings) -> SequencerConfig:
    """The sequencer's figures."""
    return SequencerConfig(
        bundle=BUNDLE,
        code_version=settings.code_version,
        plan_rows=settings.plan_rows,
        plan_age_s=settings.plan_age_s,
        ahead=max(2, settings.flow_workers + 1),
        checkpoint_plans=settings.checkpoint_plans,
    )


class Runtime:
    """A sequencer with its ports, ready to be run in the process that built it."""

    def __init__(self, settings: Settings, workers: WorkersPort, memory: MemoryPort) -> None:
        self._settings = settings
        self._config = sequencer_config(settings)
        self._workers = workers
        self._memory = memory

    def run(self, until_idle: bool, stopping: Callable[[], bool], give_up: Callable[[], bool]) -> bool:
        """Wait for the lease, then run; False when `give_up` ended the wait."""
        home, clock = Home(self._settings.home), SystemClock()
        home.make()
        lease = Lease(home.state / "sequencer.lock")

        def wait_ends() -> bool:
            return stopping() or (until_idle and give_up())

        if not lease.acquire(time.sleep, clock.elapsed_s, wait_ends):
            return False
        try:
            run(self._sequencer, self._config, clock, time.sleep, until_idle, stopping)
        finally:
            lease.release()
        return True

    def _sequencer(self) -> Sequencer:
        stores = open_stores(self._settings)
        lake, stopped = stores.lake(), dict[str, CorruptFrame]()
        publisher = Publisher(stores.log, stores.raw, stores.plans, stores.clock, stopped)
        stores.log.sweep()
        stores.raw.sweep()
        ports = Ports(
            log=stores.log,
            plans=stores.plans,
            lake=Facts(lake),
            workers=self._workers,
            memory=self._memory,
            clock=stores.clock,
            rows=flow.rows,
            counts=flow.counts,
            ledger=flow.ledger,
            turns=(publisher.turn, Maintainer(lake, stores.clock).turn),
            stopped=stopped,
        )
        return Sequencer(self._config, ports)
