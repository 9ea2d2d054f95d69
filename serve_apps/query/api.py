"""The routes of the query application. Every answer says which commit it is as of."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
from anyio import to_thread
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect

from catalog.control.keys import Key, KeyCache
from catalog.errors import BeejanError, Permanent, Transient
from catalog.lake.commit import Lake
from serve_apps.addresses import QUERY, QUERY_DESCRIPTION
from serve_apps.credentials import token
from serve_apps.description import refused_with
from serve_apps.problems import HANDLERS, problem
from serve_apps.query import filters
from serve_apps.query.answers import AS_OF, FORMATS, JSON, respond, rows
from serve_apps.query.engine.port import Answer, Limits, QueryEngine, Role, Value
from serve_apps.query.explain import explain
from serve_apps.query.feed import CommitFeed
from serve_apps.query.gone import unless_gone
from serve_apps.query.openapi import KNOWN, describe
from serve_apps.query.refusals import refused
from serve_apps.query.roles import dictionary, emptied, grants
from serve_apps.query.scopes import AsciiHeaders, FullPaths
from serve_apps.query.streams import EVENT_STREAM, HEARTBEAT_S, EventStream, commit_events
from serve_apps.query.turns import Turns

MAX_BODY_BYTES = 256 << 10
EMPTIED = "Beejan-Emptied"
"""Names columns of the query that are always empty for who asks, and so may decide the answer."""
BODY_S = 30.0
"""How long a body may take to come in: while it does it holds a place among the requests."""
MOST_STREAMS = 64
"""Subscribers to commits in one replica. Each holds one of its requests."""
THREADS = 64
"""Queries that are waited for at once, each by a thread; more wait for one of these."""


class Deps(NamedTuple):
    """What the application is built from. Everything arrives here; the application opens nothing."""

    engine: QueryEngine
    keys: KeyCache
    original: Callable[[str, int], bytes]
    """The payload stored at (segment, offset)."""
    note_read: Callable[[str, str], None]
    """Makes durable that the key of this id read the original of the event of that id."""
    lake: Callable[[], Lake]
    """Opens a lake for one thread, from which commits are read."""


class Sql(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of POST /query/v1/sql: one SELECT in Trino's dialect over the served views."""

    sql: str
    parameters: list[Value] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=filters.MOST_ROWS)] = 1_000


class Runner:
    """Runs queries beside the event loop, one of each key at a time."""

    def __init__(self, engine: QueryEngine, turns: Turns, threads: Executor) -> None:
        self._engine, self._turns, self._threads = engine, turns, threads

    async def run(self, request: Request, key: Key, role: Role, query: filters.Query, limit: int) -> Answer:
        """The engine's answer. Raises what it raises, and Refused (429) where the key asks too much; ends the
        query where the caller goes away."""
        left = threading.Event()
        arguments = (query.sql, query.params, role, Limits(rows=limit))
        ask = partial(self._engine.query, *arguments, gone=left.is_set)
        begin = partial(asyncio.get_running_loop().run_in_executor, self._threads, ask)
        try:
            return await unless_gone(request, self._turns.run(key.key_id, begin))
        finally:
            left.set()


def create_api(deps: Deps, turns: Turns | None = None, feed: CommitFeed | None = None) -> FastAPI:
    """The application over an engine; the same with or without Ray. In the end it closes what it opened and
    was given."""
    feed, threads = feed or CommitFeed(deps.lake), ThreadPoolExecutor(THREADS, thread_name_prefix="query")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(feed.close)
        await to_thread.run_sync(deps.engine.close)
        threads.shutdown(wait=False)

    app = FastAPI(
        title="Beejan complaints: questions",
        version="1",
        description=f"Views and the meaning of each column: GET {QUERY}/dictionary.",
        openapi_url=QUERY_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={**HANDLERS, BeejanError: _failed},
        middleware=[Middleware(FullPaths), Middleware(AsciiHeaders)],
        lifespan=lifespan,
    )
    app.state.deps, app.state.feed = deps, feed
    app.state.runner = Runner(deps.engine, turns or Turns(), threads)
    for path, (method, route, statuses) in ROUTES.items():
        responses: dict[int | str, Any] = {"200": _content(route)}
        responses.update(refused_with(*KNOWN, *statuses))
        extra = _SQL_BODY if route is sql else None
        app.add_api_route(
            path, route, methods=[method], responses=responses, openapi_extra=extra, response_model=None
        )
    described = describe(app)
    app.openapi = lambda: described  # type: ignore[method-assign]
    return app


class Asker(NamedTuple):
    """Who asks, as whom, and of which engine."""

    request: Request
    deps: Deps
    key: Key
    role: Role

    async def ask(self, query: filters.Query, limit: int) -> Answer:
        """See `Runner.run`."""
        runner: Runner = self.request.app.state.runner
        return await runner.run(self.request, self.key, self.role, query, limit)

    def require(self, view: str) -> None:
        """Raises Refused (403) where the role may not ask this view."""
        if view not in grants()[self.role].views:
            raise refused("role_denied", f"the view {view} is not for this role")


Authorization = Annotated[str, Header(include_in_schema=False)]


def asker(request: Request, authorization: Authorization = "") -> Asker:
    """Whoever holds a key that may ask. Raises Refused: 401, 403, 503 when nobody knows whether it is one."""
    deps: Deps = request.app.state.deps
    try:
        key = deps.keys.find(token(authorization))
    except BeejanError:
        raise refused("keys_unread") from None
    if key is None:
        raise refused("key_unknown")
    if key.role == "ingest":
        raise refused("role_denied", "an ingest key cannot ask: `beejan keys create NAME --role analyst`")
    return Asker(request, deps, key, key.role)


Who = Annotated[Asker, Depends(asker)]
Accept = Annotated[str, Header()]


async def complaints(
    who: Who, given: Annotated[filters.Complaints, Query()], accept: Accept = "*/*"
) -> Response:
    """Complaints, newest first, page by page: `next` goes into `cursor`."""
    after = None if given.cursor is None else filters.Cursor.decode(given.cursor, given.digest())
    answer = await who.ask(given.query() if after is None else given.page(after), given.limit)
    if after is not None:
        answer = answer._replace(as_of_seq=min(answer.as_of_seq, after.as_of_seq))
    if not answer.truncated:
        return await _written(answer, accept)
    last = answer.table.slice(answer.table.num_rows - 1).to_pylist()[0]
    return await _written(answer, accept, given.cursor_after(last, answer.as_of_seq).encode())


async def complaint(who: Who, event_id: str, original: filters.Flag = False) -> Response:
    """One event, whatever became of it, and its decision in words; `original` for compliance only."""
    if original and not grants()[who.role].originals:
        raise refused("role_denied", "original text is for compliance")
    answer = await who.ask(filters.Query(filters.EVENT, [event_id]), 1)
    if not answer.table.num_rows:
        raise refused("not_committed", f"none up to commit {answer.as_of_seq}")
    event = rows(answer.table)[0]
    cluster, seq = None, answer.as_of_seq
    if event["resolved_cluster"]:
        found = await who.ask(filters.Query(filters.CLUSTER, [event["resolved_cluster"]]), 1)
        cluster, seq = next(iter(rows(found.table)), None), min(seq, found.as_of_seq)
    body = {"as_of_seq": seq, "event": event, "explanation": explain(event, cluster), "cluster": cluster}
    if original:
        where = (event["log_segment"], event["log_offset"])
        payload = await to_thread.run_sync(who.deps.original, *where)
        await to_thread.run_sync(who.deps.note_read, who.key.key_id, event_id)  # before anybody sees it
        body |= _original(payload)
    headers = {AS_OF: str(seq), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")


async def clusters(who: Who, given: Annotated[filters.Clusters, Query()], accept: Accept = "*/*") -> Response:
    """Complaints that belong together, the largest clusters first."""
    return await _written(await who.ask(given.query(), given.limit), accept)


async def kpis(who: Who, given: Annotated[filters.Kpis, Query()], accept: Accept = "*/*") -> Response:
    """Complaints by day, channel, region and category."""
    return await _written(await who.ask(given.query(), given.limit), accept)


async def ledger(who: Who, accept: Accept = "*/*") -> Response:
    """What became of everything received, by channel."""
    who.require("ledger")
    return await _written(await who.ask(filters.LEDGER, filters.MOST_ROWS), accept)


async def words(who: Who) -> Response:
    """The data dictionary: views, columns, reasons."""
    return Response(msgspec.json.encode(dictionary(who.role)), media_type="application/json")


async def commits(who: Who, last_event_id: Annotated[str, Header()] = "") -> Response:
    """Each commit as it happens, as server-sent events: when, and its counts by channel and disposition."""
    who.require("ledger")
    feed: CommitFeed = who.request.app.state.feed
    if feed.subscribers >= MOST_STREAMS:
        raise refused("too_many_streams")
    last = await feed.last()
    after = _position(last_event_id, last)

    def is_valid() -> bool:
        try:
            key = who.deps.keys.find(token(who.request.headers.get("authorization")))
        except BeejanError:  # nobody knows at the moment
            return True
        return key is not None and key.key_id == who.key.key_id

    pieces = commit_events(feed, last, after, partial(to_thread.run_sync, is_valid), HEARTBEAT_S)
    return EventStream(who.request, pieces)


def _position(last_event_id: str, last: int) -> int:
    """Behind which commit to go on. Raises Refused (400) where there is no such commit yet."""
    if not last_event_id:
        return last
    is_number = last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19
    if not is_number or int(last_event_id) > last:
        raise refused("bad_request", "Last-Event-ID is no commit")
    return int(last_event_id)


async def sql_body(request: Request) -> Sql:
    """The body, counted while it comes in. Raises Refused."""
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise refused("body_too_large")
    except (TimeoutError, ClientDisconnect):
        raise refused("bad_request", f"the body did not come within {BODY_S:g} s") from None
    try:
        return msgspec.json.decode(body, type=Sql)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise refused("bad_request", "the body is no query") from None


async def sql(who: Who, body: Annotated[Sql, Depends(sql_body)], accept: Accept = "*/*") -> Response:
    """One SELECT in Trino's dialect over the served views; `?` stand for the parameters."""
    answer = await _written(await who.ask(filters.Query(body.sql, body.parameters), body.limit), accept)
    if empty := emptied(body.sql, who.role):
        answer.headers[EMPTIED] = ", ".join(empty)
    return answer


_FORMS = (complaints, clusters, kpis, ledger, sql)
"""Routes whose answer has the form that Accept names."""
_SQL_BODY = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": msgspec.json.schema_components([Sql])[1]["Sql"]}},
    }
}
ROUTES: dict[str, tuple[str, Callable[..., Awaitable[Response]], tuple[int, ...]]] = {
    f"{QUERY}/complaints": ("GET", complaints, (406, 429)),
    f"{QUERY}/complaints/{{event_id}}": ("GET", complaint, (404, 429)),
    f"{QUERY}/clusters": ("GET", clusters, (406, 429)),
    f"{QUERY}/kpis/daily": ("GET", kpis, (406, 429)),
    f"{QUERY}/ledger": ("GET", ledger, (406, 429)),
    f"{QUERY}/dictionary": ("GET", words, ()),
    f"{QUERY}/sql": ("POST", sql, (406, 413, 429)),
    f"{QUERY}/commits/events": ("GET", commits, (429,)),
}
"""Every address: its method, what answers, and how it may say no beside `KNOWN`."""


def _content(route: Callable[..., Awaitable[Response]]) -> dict[str, Any]:
    kinds = tuple(FORMATS) if route in _FORMS else (EVENT_STREAM,) if route is commits else (JSON,)
    return {"description": "The answer", "content": {kind: {} for kind in kinds}}


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
