"""The query door under Ray Serve."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from ray import serve

from serve_apps.query.api import Deps
from serve_apps.query.door import Door

NAME = "query"
OPTIONS: dict[str, Any] = {
    "name": NAME,
    "max_ongoing_requests": 16,
    "max_queued_requests": 64,
    "graceful_shutdown_wait_loop_s": 0.5,
    "graceful_shutdown_timeout_s": 10.0,
    "ray_actor_options": {"num_cpus": 0.5},
}


class Replica(Door):
    """See `Door`; its engine gets ready beside the first requests, and ends with it."""

    def __init__(self, build: Callable[[], Deps]) -> None:
        super().__init__(build)
        Thread(target=self._deps.engine.warm, daemon=True).start()

    def __del__(self) -> None:
        self._deps.engine.close()


def query(build: Callable[[], Deps]) -> serve.Application:
    """The application to run; `build` must pickle."""
    return serve.deployment(**OPTIONS)(Replica).bind(build)
