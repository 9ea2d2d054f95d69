"""One factory wires every runtime: the same plain objects, in one process or as Ray actors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import pyarrow as pa

from actors.dedup.config import DedupConfig
from actors.dedup.dedup import REMEMBERED
from actors.sequencer.config import MemoryPort, Ports, SequencerConfig, WorkersPort
from actors.sequencer.lease import FileLease, Lease
from actors.sequencer.loop import run
from actors.sequencer.sequencer import Sequencer
from actors.worker.config import WorkerConfig
from catalog.bundle.folder import default
from catalog.bundle.keys import load_or_create
from catalog.bundle.store import Bundles
from catalog.clock import Clock, SystemClock
from catalog.control.lease import RowLease
from catalog.control.schema import open_control
from catalog.errors import CorruptFrame, Stopped, Transient
from catalog.history import History
from catalog.lake import read
from catalog.log.writer import WriterConfig
from catalog.raw import Raw
from catalog.tables import EVENTS
from cluster.home import RETRY_S, Home
from cluster.places import places
from cluster.settings import Settings
from cluster.stores import Stores as Stores
from cluster.stores import open_keys as open_keys
from cluster.stores import open_log as open_log
from cluster.stores import open_stores as open_stores
from pipelines import flow
from pipelines.curate import Curator, Learned
from pipelines.maintain import Maintainer
from pipelines.publish import Publisher

T = TypeVar("T")
ANSWER_S = 1.5
"""A sender has its answer within two seconds."""

log = logging.getLogger(__name__)


def open_history(settings: Settings) -> History:
    """Where a flow worker reads its frames."""
    return History(open_log(settings)[0], Raw(places(settings).within("raw")))


def writer_config(settings: Settings) -> WriterConfig:
    """How envelopes are written to the log."""
    return WriterConfig(
        segment_bytes=settings.segment_bytes,
        segment_age_s=settings.segment_age_s,
        min_free_bytes=settings.min_free_bytes,
    )


def door_writer_config(settings: Settings) -> WriterConfig:
    """The same for a door, whose senders do not wait for an object store that is away."""
    answer_s = None if places(settings).is_local else ANSWER_S
    return replace(writer_config(settings), answer_s=answer_s)


def worker_config(settings: Settings) -> WorkerConfig:
    """What each flow worker is built from."""
    return WorkerConfig(partial(open_history, settings), partial(_pure, settings), settings.batch_rows)


def _pure(settings: Settings, bundle: str, *batch: Any) -> pa.Table:
    return stages(settings, bundle).pure(*batch)


@lru_cache(maxsize=4)
def stages(settings: Settings, bundle: str) -> flow.Stages:
    """The pure stages under a stored bundle; rules and names of places are compiled once a process."""
    at = places(settings)
    found, key = Bundles(at.within("bundles")).get(bundle), load_or_create(at.within("keys"))
    if key.key_id != found.key_id:
        raise Stopped(
            "the pseudonym key is not the one that the plans were decided with",
            hint="restore the folder `keys` of the same moment",
            needed=found.key_id,
        )
    return flow.Stages(found, key)


def bundle_in_force(settings: Settings) -> str:
    """The hash of the bundle for new plans and envelopes, which is stored by then."""
    Home(settings.home).make()
    at = places(settings)
    return Bundles(at.within("bundles")).put(default(load_or_create(at.within("keys")).key_id))


def dedup_config(settings: Settings) -> DedupConfig:
    """What the memory of ids is built from."""
    return DedupConfig(Home(settings.home).state)


def sequencer_config(settings: Settings) -> SequencerConfig:
    """The sequencer's figures."""
    return SequencerConfig(
        bundle=bundle_in_force(settings),
        code_version=settings.code_version,
        plan_rows=settings.plan_rows,
        plan_age_s=settings.plan_age_s,
        ahead=max(2, settings.flow_workers + 1),
        checkpoint_plans=settings.checkpoint_plans,
    )


def run_sequencer(
    settings: Settings,
    workers: WorkersPort,
    memory: MemoryPort,
    until_idle: bool,
    stopping: Callable[[], bool],
    give_up: Callable[[], bool],
    pause: Callable[[float], object] = time.sleep,
) -> bool:
    """Wait for the lease, then run in this process, and again once it was lost; False when `give_up` ended
    the wait. Idle, it calls `pause` with seconds, which may come back earlier."""
    home, clock = Home(settings.home), SystemClock()
    home.make_patiently(pause, stopping)
    config = _patiently(partial(sequencer_config, settings), pause, stopping)
    lease = _patiently(partial(_lease, settings, clock), pause, stopping)

    learned = Learned()

    def wait_ends() -> bool:
        return stopping() or (until_idle and give_up())

    while lease.acquire(time.sleep, wait_ends):
        try:
            build = partial(_sequencer, settings, config, workers, memory, learned)
            run(build, config, clock, pause, until_idle, lambda: stopping() or lease.is_lost())
        finally:
            lease.release()
        if stopping() or not lease.is_lost():
            return True
    return False


def _patiently(make: Callable[[], T], pause: Callable[[float], object], stopping: Callable[[], bool]) -> T:
    """What servers have to give before the first turn: waits while they are away, as turns do, until told to
    stop. Raises Transient then."""
    while True:
        try:
            return make()
        except Transient as trouble:
            if stopping():
                raise
            log.warning("waiting to start: %s", trouble)
        pause(RETRY_S)


def _lease(settings: Settings, clock: Clock) -> Lease:
    at = places(settings)
    if at.is_local:
        return FileLease(Home(settings.home).state / "sequencer.lock", clock.elapsed_s)
    return RowLease(open_control(at.control_url), "sequencer")


def _sequencer(
    settings: Settings, config: SequencerConfig, workers: WorkersPort, memory: MemoryPort, learned: Learned
) -> Sequencer:
    stores = open_stores(settings)
    lake, stopped = stores.lake(), dict[str, CorruptFrame]()
    publisher = Publisher(stores.log, stores.raw, stores.plans, stores.clock, stopped)
    learned.hold_to(lake.head(EVENTS.name).commit_seq, stores.plans.chain)
    curator = Curator(lake, stores.clock, settings.curate_s, learned)
    stores.log.sweep()
    stores.raw.sweep()
    ports = Ports(
        log=stores.log,
        plans=stores.plans,
        lake=lake,
        read_back=partial(read.rows, lake, EVENTS.name, columns=REMEMBERED),
        workers=workers,
        memory=memory,
        clock=stores.clock,
        rows=flow.rows,
        counts=flow.counts,
        ledger=flow.ledger,
        turns=(publisher.turn, curator.turn, Maintainer(lake, stores.clock).turn),
        last_turns=(curator.build,),
        stopped=stopped,
    )
    return Sequencer(config, ports)
