"""The door's addresses, and what answers at each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve_apps.ingest import framing
from serve_apps.ingest.asking import Asking
from serve_apps.ingest.deps import Deps
from serve_apps.ingest.door import Door
from serve_apps.ingest.openapi import document
from serve_apps.ingest.refusals import refused
from serve_apps.ingest.upkeep import tended
from serve_apps.problems import Refused, broken, problem, refusals, tell

PASSED_ON = (
    ("/v1/complaints", "GET"),
    ("/v1/complaints/{rest:path}", "GET"),
    ("/v1/clusters", "GET"),
    ("/v1/clusters/{rest:path}", "GET"),
    ("/v1/kpis/{rest:path}", "GET"),
    ("/v1/ledger", "GET"),
    ("/v1/dictionary", "GET"),
    ("/v1/sql", "POST"),
    ("/v1/openapi.json", "GET"),
)
"""What the query side answers through this door."""


def create_api(deps: Deps) -> FastAPI:
    """The door as an application; its lifespan looks after the writer and closes it in the end."""
    door = Door(deps)
    asking = Asking(deps, door)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with tended(deps, door):
            yield

    # Plain routes: nothing between the bytes and the door.
    app = FastAPI(
        routes=[
            Route("/v1/{channel}/events", door.single, methods=["POST"]),
            Route("/v1/{channel}/events:batch", door.batch, methods=["POST"]),
            Route("/v1/events/{event_id}", asking.event, methods=["GET"]),
            *(Route(path, asking.query, methods=[method]) for path, method in PASSED_ON),
            *_health(deps, door),
        ],
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        exception_handlers={Refused: tell, HTTPException: _refused_by_the_framework, Exception: broken},
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


async def _refused_by_the_framework(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    case = refusals("ingest")["method_not_allowed" if error.status_code == 405 else "not_found"]
    return problem(case.status, case.code, case.title, hint=case.hint, headers=error.headers)
