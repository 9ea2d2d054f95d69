"""The routes of the query door. Every answer says which commit it is as of."""

from __future__ import annotations

import base64
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
from anyio import to_thread
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from catalog.control.keys import KeyCache
from catalog.errors import BeejanError, Permanent, Transient
from serve_apps.passing import unless_gone
from serve_apps.problems import MEDIA_TYPE, install, problem
from serve_apps.query import asked
from serve_apps.query.answers import AS_OF, respond, rows
from serve_apps.query.engine.port import Answer, Limits, QueryEngine, Role, Value
from serve_apps.query.explain import explain
from serve_apps.query.refusals import refused
from serve_apps.query.roles import dictionary, emptied, grants

MAX_BODY_BYTES = 256 << 10
DESCRIPTION = "/v1/openapi.json"
EMPTIED = "Beejan-Emptied"
"""Names columns of the query that are always empty for who asks, and so may decide the answer."""
REFUSAL: dict[str, Any] = {
    "description": "A problem document (RFC 9457): `code` is stable, `hint` says what to do.",
    "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
}


class Deps(NamedTuple):
    """What the door is built from; `original` gives the payload stored at (segment, offset)."""

    engine: QueryEngine
    keys: KeyCache
    original: Callable[[str, int], bytes]


class Sql(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of POST /v1/sql: one SELECT in Trino's dialect over the served views."""

    sql: str
    parameters: list[Value] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=asked.MOST_ROWS)] = 1_000


def create_api(deps: Deps) -> FastAPI:
    """The door over an engine; the same application with or without Ray."""
    app = FastAPI(
        title="Beejan complaints: questions",
        version="1",
        description="Views and the meaning of each column: GET /v1/dictionary.",
        openapi_url=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        responses={"4XX": REFUSAL, "503": REFUSAL},
    )
    app.state.deps = deps
    install(app)
    app.add_exception_handler(BeejanError, _failed)
    for path, route in ROUTES.items():
        app.add_api_route(path, route, response_model=None)
    schema = msgspec.json.schema_components([Sql])[1]["Sql"]
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    extra = {"requestBody": body}
    app.add_api_route("/v1/sql", sql, methods=["POST"], openapi_extra=extra, response_model=None)
    return app


class Asker(NamedTuple):
    """Who asks, as whom, and of which engine."""

    request: Request
    deps: Deps
    role: Role

    async def ask(self, query: asked.Query, limit: int) -> Answer:
        """The engine's answer. Raises what it raises; ends the query where the caller goes away."""
        left = threading.Event()
        ask = partial(self.deps.engine.query, gone=left.is_set)
        arguments = (query.sql, query.params, self.role, Limits(rows=limit))
        try:
            working = to_thread.run_sync(ask, *arguments, abandon_on_cancel=True)
            return await unless_gone(self.request, working)
        finally:
            left.set()


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def asker(request: Request, given: Bearer) -> Asker:
    """Whoever holds a key that may ask. Raises Refused: 401, 403, 503 when nobody knows whether it is one."""
    deps: Deps = request.app.state.deps
    try:
        role = None if given is None else deps.keys.role_of(given.credentials.strip())
    except BeejanError:
        raise refused("keys_unread") from None
    if role is None:
        raise refused("key_unknown")
    if role == "ingest":
        raise refused("role_denied", "an ingest key cannot ask: `beejan keys create NAME --role analyst`")
    return Asker(request, deps, role)


Who = Annotated[Asker, Depends(asker)]
Accept = Annotated[str, Header()]


async def complaints(
    who: Who, given: Annotated[asked.Complaints, Query()], accept: Accept = "*/*"
) -> Response:
    """Complaints, newest first, page by page: `next` goes into `cursor`."""
    after = None if given.cursor is None else asked.Cursor.decode(given.cursor, given.digest())
    answer = await who.ask(given.query() if after is None else given.page(after), given.limit)
    if after is not None:
        answer = answer._replace(as_of_seq=min(answer.as_of_seq, after.as_of_seq))
    if not answer.truncated:
        return await _written(answer, accept)
    last = answer.table.slice(answer.table.num_rows - 1).to_pylist()[0]
    return await _written(answer, accept, given.cursor_after(last, answer.as_of_seq).encode())


async def complaint(who: Who, event_id: str, original: bool = False) -> Response:
    """One event, whatever became of it, and its decision in words; `original` for compliance only."""
    if original and not grants()[who.role].originals:
        raise refused("role_denied", "original text is for compliance")
    answer = await who.ask(asked.Query(asked.EVENT, [event_id]), 1)
    if not answer.table.num_rows:
        raise refused("not_committed", f"none up to commit {answer.as_of_seq}")
    event = rows(answer.table)[0]
    cluster, seq = None, answer.as_of_seq
    if event["resolved_cluster"]:
        found = await who.ask(asked.Query(asked.CLUSTER, [event["resolved_cluster"]]), 1)
        cluster, seq = next(iter(rows(found.table)), None), min(seq, found.as_of_seq)
    body = {"as_of_seq": seq, "event": event, "explanation": explain(event, cluster), "cluster": cluster}
    if original:
        where = (event["log_segment"], event["log_offset"])
        body |= _original(await to_thread.run_sync(who.deps.original, *where))
    headers = {AS_OF: str(seq), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")


async def clusters(who: Who, given: Annotated[asked.Clusters, Query()], accept: Accept = "*/*") -> Response:
    """Complaints that belong together, the largest clusters first."""
    return await _written(await who.ask(given.query(), given.limit), accept)


async def kpis(who: Who, given: Annotated[asked.Kpis, Query()], accept: Accept = "*/*") -> Response:
    """Complaints by day, channel, region and category."""
    return await _written(await who.ask(given.query(), given.limit), accept)


async def ledger(who: Who, accept: Accept = "*/*") -> Response:
    """What became of everything received, by channel."""
    return await _written(await who.ask(asked.LEDGER, asked.MOST_ROWS), accept)


async def words(who: Who) -> Response:
    """The data dictionary: views, columns, reasons."""
    return Response(msgspec.json.encode(dictionary(who.role)), media_type="application/json")


async def sql_body(request: Request) -> Sql:
    """The body, counted while it comes in. Raises Refused."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise refused("body_too_large")
    try:
        return msgspec.json.decode(body, type=Sql)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise refused("bad_request", "the body is no query") from None


async def sql(who: Who, body: Annotated[Sql, Depends(sql_body)], accept: Accept = "*/*") -> Response:
    """One SELECT in Trino's dialect over the served views; `?` stand for the parameters."""
    answer = await _written(await who.ask(asked.Query(body.sql, body.parameters), body.limit), accept)
    if empty := emptied(body.sql, who.role):
        answer.headers[EMPTIED] = ", ".join(empty)
    return answer


ROUTES: dict[str, Callable[..., Awaitable[Response]]] = {
    "/v1/complaints": complaints,
    "/v1/complaints/{event_id}": complaint,
    "/v1/clusters": clusters,
    "/v1/kpis/daily": kpis,
    "/v1/ledger": ledger,
    "/v1/dictionary": words,
}


async def _written(answer: Answer, accept: str, more: str | None = None) -> Response:
    return await to_thread.run_sync(respond, answer, accept, more)


def _original(payload: bytes) -> dict[str, str]:
    try:
        return {"original": payload.decode()}
    except UnicodeDecodeError:
        return {"original_base64": base64.b64encode(payload).decode()}


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, BeejanError)
    facts = " ".join(f"{name}: {value}" for name, value in error.fields.items())
    headers: dict[str, Any] = {"Retry-After": "1"} if isinstance(error, Transient) else {}
    status = 503 if isinstance(error, Transient) else 400 if isinstance(error, Permanent) else 500
    return problem(status, error.code, error.message, facts, error.hint, headers)
