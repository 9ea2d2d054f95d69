"""The door's addresses, and what answers at each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve_apps.addresses import QUERY
from serve_apps.ingest import framing
from serve_apps.ingest.deps import Deps
from serve_apps.ingest.door import Door
from serve_apps.ingest.openapi import document
from serve_apps.ingest.refusals import refused
from serve_apps.ingest.status import StatusRequests
from serve_apps.ingest.upkeep import tended
from serve_apps.problems import HANDLERS

MOVED = {
    "/v1/complaints": "/complaints",
    "/v1/complaints/{rest:path}": "/complaints/{event_id}",
    "/v1/clusters": "/clusters",
    "/v1/kpis/daily": "/kpis/daily",
    "/v1/ledger": "/ledger",
    "/v1/dictionary": "/dictionary",
    "/v1/sql": "/sql",
    "/v1/openapi.json": "/openapi.json",
}
"""Addresses that were here once, and where each is now, below the query application's prefix."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_api(deps: Deps) -> FastAPI:
    """The door as an application; its lifespan looks after the writer and closes it in the end."""
    door = Door(deps)
    status = StatusRequests(deps, door)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with tended(deps, door):
            yield

    # Plain routes: nothing between the bytes and the door.
    app = FastAPI(
        routes=[
            Route("/v1/{channel}/events", door.single, methods=["POST"]),
            Route("/v1/{channel}/events:batch", door.batch, methods=["POST"]),
            Route("/v1/events/{event_id}", status.event, methods=["GET"]),
            *(Route(path, _moved(QUERY + to), methods=_METHODS) for path, to in MOVED.items()),
            *_health(deps, door),
        ],
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        exception_handlers=dict(HANDLERS),
    )
    described = document()
    app.openapi = lambda: described  # type: ignore[method-assign]
    return app


def _health(deps: Deps, door: Door) -> list[Route]:
    async def alive(_: Request) -> Response:
        return _state("alive")

    async def ready(_: Request) -> Response:
        for is_so, code in (
            (door.is_draining, "draining"),
            (not deps.keys.is_loaded, "keys_unread"),
            (not deps.writer.is_healthy, "not_durable"),
        ):
            if is_so:
                raise refused(code)
        return _state("ready")

    return [Route("/healthz", alive, methods=["GET"]), Route("/readyz", ready, methods=["GET"])]


def _state(state: str) -> Response:
    return Response(msgspec.json.encode({"state": state}), media_type=framing.JSON)


def _moved(to: str) -> Callable[[Request], Awaitable[Response]]:
    async def moved(_: Request) -> Response:
        raise refused("moved", f"it is {to} now")

    return moved
