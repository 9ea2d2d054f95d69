"""The door under Ray Serve: one replica, one writer, one segment at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from grpc import RpcError
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from catalog.errors import BeejanError, Unavailable
from serve_apps.ingest.api import create_api
from serve_apps.ingest.deps import Deps

NAME = "ingest"
OPTIONS: dict[str, Any] = {
    "name": NAME,
    "max_ongoing_requests": 256,
    # Each waits with its body in a proxy's memory, which has no other limit.
    "max_queued_requests": 256,
    # What is under way is acknowledged, then the segment is sealed.
    "graceful_shutdown_wait_loop_s": 0.5,
    "graceful_shutdown_timeout_s": 20.0,
    "health_check_period_s": 5.0,
    "health_check_timeout_s": 30.0,
    "logging_config": {"enable_access_log": False},
}


FAILURES = (BeejanError, RayError, RayServeException, RpcError, KeyError)
"""Of a call to another deployment: what was raised there comes in Ray's wrapping or, over gRPC, as it is; the
rest is of the way there, KeyError where no such deployment is (yet)."""


class Replica:
    """Builds what the door needs where it runs: the writer belongs to this process and its event loop.

    It has no health check of its own: one that cannot write is unready, and says so at `/readyz` and to each
    sender. Another in its place could not write either.
    """

    def __init__(self, build: Callable[[], Deps]) -> None:
        self._deps = build()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._deps)


def ingest(build: Callable[[], Deps], **options: Any) -> serve.Application:
    """The application to run; `build` must pickle, `options` replace those above."""
    replica = serve.ingress()(Replica)
    return serve.deployment(**{**OPTIONS, **options})(replica).bind(build)


def passing(deployment: str, app: str, method: str) -> Callable[[Any], Awaitable[Any]]:
    """What passes its argument to a method of a deployment of another application, and the answer back.

    Raises Unavailable when it does not answer, or with an error of ours, whatever that means there.
    """
    handle: Any = None

    async def ask(asked: Any) -> Any:
        """What that method gives for `asked`; where nobody waits for it any more, it is cancelled there."""
        nonlocal handle
        try:
            if handle is None:  # asks Serve, beside the event loop
                handle = await asyncio.to_thread(serve.get_deployment_handle, deployment, app)
            asking = getattr(handle, method).remote(asked)
            try:
                return await asking
            except asyncio.CancelledError:  # nobody waits any more: the replica need not go on
                asking.cancel()
                raise
        except FAILURES as error:
            kind = type(error).__name__
            raise Unavailable("the query side does not answer", hint="is it running?", kind=kind) from None

    return ask
