"""The query side under Ray Serve: an application that answers requests, and one that looks up events."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve

from serve_apps.query.api import Deps, create_api
from serve_apps.query.engine.port import QueryEngine
from serve_apps.query.feed import CommitFeed
from serve_apps.query.lookup import Lookup

NAME = "query"
LOOKUP = "lookup"
OPTIONS: dict[str, Any] = {
    "name": NAME,
    "max_ongoing_requests": 128,
    "max_queued_requests": 64,
    "graceful_shutdown_wait_loop_s": 0.5,
    "graceful_shutdown_timeout_s": 10.0,
    "ray_actor_options": {"num_cpus": 0.5},
    "logging_config": {"enable_access_log": False},
}
LOOKUP_OPTIONS: dict[str, Any] = {
    "name": LOOKUP,
    "max_ongoing_requests": 32,
    "max_queued_requests": 64,
    "graceful_shutdown_wait_loop_s": 0.5,
    "graceful_shutdown_timeout_s": 10.0,
    "ray_actor_options": {"num_cpus": 0.25},
}


def is_ending() -> bool:
    """Whether Serve has told the replica in this process to end. It waits for every request then, and an
    endless one would hold it up until it is cut off; but it tells nobody."""
    worker = ray._private.worker.global_worker
    replica = getattr(worker.actors.get(worker.actor_id), "_replica_impl", None)
    return bool(getattr(replica, "_shutting_down", False))


class Replica:
    """Builds what the application needs where it runs; its engine gets ready beside the first requests,
    and ends with it."""

    def __init__(self, build: Callable[[], Deps]) -> None:
        self._deps = build()
        Thread(target=self._deps.engine.warm, daemon=True).start()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._deps, feed=CommitFeed(self._deps.lake, is_ending))


class LookupReplica(Lookup):
    """See `Lookup`; its engine gets ready beside the first look-ups, and ends with it."""

    def __init__(self, build: Callable[[], QueryEngine]) -> None:
        super().__init__(build())
        Thread(target=self.engine.warm, daemon=True).start()

    def __del__(self) -> None:
        self.engine.close()


def query(build: Callable[[], Deps]) -> serve.Application:
    """The application to run; `build` must pickle."""
    replica = serve.ingress()(Replica)
    return serve.deployment(**OPTIONS)(replica).bind(build)


def lookup(build: Callable[[], QueryEngine]) -> serve.Application:
    """The application without an address that ingest replicas call; `build` must pickle."""
    return serve.deployment(**LOOKUP_OPTIONS)(LookupReplica).bind(build)
