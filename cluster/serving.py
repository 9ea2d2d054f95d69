"""The doors of one home under Ray Serve: replicas that take events in, answer queries, and look events up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve import RunTarget
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

from catalog.control.keys import KeyCache
from catalog.errors import BeejanError
from cluster import query_side
from cluster.settings import Settings
from cluster.wiring import bundle_in_force, door_writer_config, open_keys, open_log
from serve_apps.addresses import QUERY_PREFIX
from serve_apps.ingest.deployment import ingest, passing
from serve_apps.ingest.deps import Deps
from serve_apps.query.deployment import lookup, query
from serve_apps.query.views import views

KEYS_AGE_S = 3.0
CLOSE_S = 20.0
LOOK_S = 0.2
log = logging.getLogger(__name__)
INGEST, QUERY, LOOKUP = "ingest", "query", "lookup"
SEQUENCER = "sequencer"


def open_doors(settings: Settings, port: int) -> None:
    """Start the doors on the running Ray; they answer when this returns. Nobody uses Serve's own way in,
    which needs a port all the same."""
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": "127.0.0.1", "port": port},
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    _make_views(settings)
    taking = ingest(
        partial(build_ingest, settings),
        num_replicas=settings.ingest_replicas,
        ray_actor_options={"num_cpus": 0.5},
    )
    finding = lookup(partial(query_side.build_lookup, settings))
    asking = query(partial(query_side.build, settings))
    serve.run_many(  # at once: each takes some seconds to start
        [
            RunTarget(finding, LOOKUP, route_prefix=None),
            RunTarget(asking, QUERY, route_prefix=QUERY_PREFIX),
            RunTarget(taking, INGEST, route_prefix="/"),
        ]
    )


def _make_views(settings: Settings) -> None:
    try:
        query_side.make_views(settings, views().values())
    except BeejanError as error:  # events are taken in and decided without anybody who answers SQL
        log.warning("the views were not made: %s; `beejan views apply` makes them", error)


def close_doors() -> None:
    """Acknowledge what is under way, seal the segments, take nothing more; then let go of the proxy."""
    for name in (INGEST, QUERY, LOOKUP):
        serve.delete(name)  # waits for the replicas to drain
    # What `serve.shutdown` does, without a call that the controller's end leaves unanswered.
    controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    ray.get(controller.graceful_shutdown.remote(wait=False))
    until_s = time.monotonic() + CLOSE_S
    with suppress(ValueError):  # no actor of this name any more
        while time.monotonic() < until_s:
            ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
            time.sleep(LOOK_S)


def build_ingest(settings: Settings) -> Deps:
    """What a replica of the ingest door works with; runs in its process."""
    log, clock = open_log(settings)
    keys = open_keys(settings)
    bundle = bundle_in_force(settings)
    return Deps(
        writer=log.writer(door_writer_config(settings)),
        keys=KeyCache(keys.stored, clock, KEYS_AGE_S),
        clock=clock,
        bundle=lambda: bundle,
        lookup=passing(LOOKUP, LOOKUP, "find"),
        hint=_hint(),
    )


def _hint() -> Callable[[], None]:
    sequencer: Any = None

    def hint() -> None:
        nonlocal sequencer
        try:
            sequencer = sequencer or ray.get_actor(SEQUENCER)
            sequencer.hint.remote()
        except (RayError, ValueError):  # not there at the moment: it looks by itself
            sequencer = None

    return hint
