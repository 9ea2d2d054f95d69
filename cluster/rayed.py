"""The Ray runtime: sequencer, memory and workers as named actors; this process watches over them."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from actors.dedup.actor import RayMemory
from actors.dedup.dedup import Dedup
from actors.sequencer.actor import Run, SequencerActor
from actors.worker.actor import RayWorkers, WorkerActor
from catalog import failpoints
from catalog.errors import BeejanError, Stopped, Unavailable
from cluster import presence
from cluster.home import Home
from cluster.settings import Settings
from cluster.stack.stack import free_ports
from cluster.stop import Stop
from cluster.wiring import dedup_config, run_sequencer, worker_config
from pipelines.stages.signature import similarities

OBJECT_STORE_BYTES = 256 << 20
LOOK_S = 0.2
TEMPORARY = "/tmp"
"""Holds a folder of our own, wherever TMPDIR is: the name of a socket has to be short."""
RESTART_S = 1.0
NAMESPACE = "beejan"
MEMORY = "dedup"

log = logging.getLogger(__name__)


def _nothing() -> None:
    return None


class Doors(NamedTuple):
    """What to do once the actors run, before they are told to stop, and a few times a second in between."""

    opened: Callable[[], None] = _nothing
    closed: Callable[[], None] = _nothing
    heartbeat: Callable[[], None] = _nothing


def run(
    settings: Settings,
    until_idle: bool,
    stopping: Stop,
    give_up: Callable[[], bool],
    doors: Doors = Doors(),  # noqa: B008 immutable
    folder: Path | None = None,
) -> bool:
    """Run the sequencer under Ray, here, until it ends; False when `give_up` ended the wait for another.

    Ray's temporary files are in `folder`, else in one of its own. Raises Unavailable when Ray ends.
    """
    Home(settings.home).make_patiently(time.sleep, stopping)
    presence.note(Home(settings.home), "driver")
    with _temporary(folder) as own:
        try:
            start_ray(settings, Path(own))
        except SystemExit:
            return False  # told to stop while Ray started: nothing had begun
        stopping.listen()  # Ray took the signals
        try:
            *_kept, sequencer = start_actors(settings)
            doors.opened()
            stopping.listen()
            return _watch(sequencer, until_idle, stopping, give_up, doors)
        finally:
            ray.shutdown()


def _temporary(folder: Path | None) -> AbstractContextManager[Path | str]:
    if folder is not None:
        return nullcontext(folder)
    return TemporaryDirectory(prefix="beejan-", dir=TEMPORARY, ignore_cleanup_errors=True)


def start_ray(settings: Settings, folder: Path) -> None:
    """A Ray of our own on this machine, on the loopback address only, with limits: one processor's worth of
    each actor. Everybody who calls it needs the token in `folder`, whatever the environment says of Ray."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(_token())
    dashboard, autoscaler = free_ports(2)
    os.environ |= {
        "RAY_AUTH_TOKEN_PATH": str(token),
        # Fixed ones unless told otherwise: of two products the second one would have none.
        "DASHBOARD_METRIC_PORT": str(dashboard),
        "AUTOSCALER_METRIC_PORT": str(autoscaler),
    }
    before = os.umask(0o077)
    try:
        ray.init(
            address="local",  # whatever else runs here, or is named in the environment
            num_cpus=settings.flow_workers + settings.ingest_replicas + 4,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            logging_level=logging.ERROR,
            namespace=NAMESPACE,
            _temp_dir=str(folder / "ray"),
            _system_config={"enable_metrics_collection": False},  # nobody reads them, and anybody could
        )
    finally:
        os.umask(before)


@cache
def _token() -> str:
    """One a process: Ray reads it once."""
    return secrets.token_hex(32)


def start_actors(settings: Settings) -> tuple[Any, list[Any], Any]:
    """Start memory, workers and sequencer; Ray restarts each that dies and repeats no call.

    They live as long as their handles are held.
    """
    lasting: dict[str, Any] = {"max_restarts": -1, "max_task_retries": 0, "num_cpus": 1}
    memory = ray.remote(_Memory).options(name=MEMORY, **lasting).remote(settings)
    workers = [
        ray.remote(_Worker).options(name=name, **lasting).remote(settings, name)
        for name in _workers(settings)
    ]
    sequencer = ray.remote(SequencerActor).options(name="sequencer", max_concurrency=16, **lasting)
    return memory, workers, sequencer.remote(partial(_build, settings))


def _watch(
    sequencer: Any,
    until_idle: bool,
    stopping: Callable[[], bool],
    give_up: Callable[[], bool],
    doors: Doors,
) -> bool:
    running, told = sequencer.run.remote(until_idle, give_up), False
    while True:
        doors.heartbeat()
        try:
            return bool(ray.get(running, timeout=LOOK_S))
        except GetTimeoutError:
            if stopping() and not told:
                doors.closed()
                sequencer.stop.remote()
                told = True
        except RayTaskError as failure:
            if isinstance(failure.cause, BeejanError):
                raise failure.cause from None
            # Not its words: Ray puts a traceback into them.
            kind = type(failure.cause).__name__
            raise Stopped("the sequencer failed", hint="check the home's disk", cause=kind) from None
        except RayActorError:
            if dead := _ended_parts():
                raise Unavailable("Ray has ended", hint="start it again", ended=", ".join(dead)) from None
            # It comes back with nothing but its settings, and reads the rest from what is durable.
            log.warning("the sequencer ended and is started again; nothing is lost")
            time.sleep(RESTART_S)
            if told:
                sequencer.stop.remote()
            running = sequencer.run.remote(until_idle, give_up)


def _ended_parts() -> list[str]:
    """Which processes of Ray's own have ended that this one started: without them nothing comes back."""
    node: Any = ray._private.worker._global_node
    return sorted(name for name, _ in node.dead_processes())


def _build(settings: Settings) -> Run:
    """Runs in the sequencer's process, which finds the others by name: Ray could not restart an actor whose
    arguments hold their handles."""
    _enter(settings, "sequencer")
    workers = [ray.get_actor(name) for name in _workers(settings)]
    memory = RayMemory(ray.get_actor(MEMORY))
    return partial(run_sequencer, settings, RayWorkers(worker_config(settings), workers), memory)


def _workers(settings: Settings) -> list[str]:
    return [f"worker-{i}" for i in range(settings.flow_workers)]


def _enter(settings: Settings, name: str) -> None:
    failpoints.arm(settings.failpoint)
    presence.note(Home(settings.home), name)


class _Memory(Dedup):
    def __init__(self, settings: Settings) -> None:
        _enter(settings, MEMORY)
        super().__init__(dedup_config(settings), similarities)


class _Worker(WorkerActor):
    def __init__(self, settings: Settings, name: str) -> None:
        _enter(settings, name)
        super().__init__(worker_config(settings))
