"""Every status the door answers, and what stands in the log afterwards."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from catalog.clock import to_datetime
from catalog.control.keys import KeyCache
from catalog.errors import NotDurable, TooSlow, Unavailable
from catalog.ids import event_id
from serve_apps.committed import Committed
from serve_apps.ingest.api import create_api
from serve_apps.ingest.deps import Limits
from serve_apps.problems import refusals
from tests.serve_apps.ingest.doors import JSON, NDJSON, client, deps, opened, payloads, stored, token, unknown

EVENT = b'{"id_str":"1","full_text":"no network"}'
SMALL = Limits(body_bytes=400, batch_bytes=600, batch_events=3, event_bytes=200, remembered_ids=9)
ONE, MANY = "/v1/social/events", "/v1/social/events:batch"
EVENT_STATE = "/v1/events/" + "0" * 32
DEEP = b'{"a":' * 65 + b"1" + b"}" * 65


GONE_FROM_HERE = [
    *("/v1/complaints", "/v1/complaints/" + "0" * 32, "/v1/clusters", "/v1/kpis/daily", "/v1/ledger"),
    *("/v1/dictionary", "/v1/sql", "/v1/openapi.json"),
]


class Case(NamedTuple):
    """One request, by the code of its refusal."""

    code: str
    path: str = ONE
    body: bytes = EVENT
    headers: dict[str, str] | list[tuple[str, str]] = JSON
    method: str = "POST"


CASES = [
    Case("framing_unreadable", MANY, b'[{"a":1}'),
    Case("framing_unreadable", MANY, EVENT),
    Case("framing_unreadable", headers={**JSON, "Content-Length": "7"}),
    Case("framing_unreadable", headers={**JSON, "Content-Length": "300"}),
    Case("coding_unreadable", headers={**JSON, "Content-Encoding": "gzip"}),
    Case("coding_unreadable", headers={**JSON, "Content-Encoding": "ZSTD"}),
    Case("header_invalid", headers={**JSON, "Content-Length": "-1"}),
    Case("header_invalid", headers={**JSON, "Content-Length": "²"}),
    Case("header_invalid", headers={**JSON, "Idempotency-Key": "x" * 256}),
    Case("header_invalid", headers={**JSON, "Idempotency-Key": "a b"}),
    Case("header_invalid", headers={**JSON, "Idempotency-Key": ""}),
    Case("header_invalid", headers=[("Content-Type", "application/json"), ("Content-Type", "text/x")]),
    Case("header_invalid", headers={"Content-Type": "application/json;" + "x" * 300}),
    Case("contract_unknown", ONE + "?contract=social/99"),
    Case("contract_unknown", ONE + "?contract=sms/1"),
    Case("contract_unknown", MANY + "?contract=", b""),
    Case("event_id_malformed", "/v1/events/" + "A" * 32, b"", {}, "GET"),
    Case("event_id_malformed", "/v1/events/" + "0" * 31, b"", {}, "GET"),
    Case("key_unknown", headers={**JSON, "Authorization": "Bearer bjn_0_0"}),
    Case("key_unknown", headers={**JSON, "Authorization": ""}),
    Case("key_unknown", MANY, headers={**NDJSON, "Authorization": "Basic bjn_0_0"}),
    Case("channel_denied", "/v1/sms/events"),
    Case("not_found", "/v1/fax/events"),
    Case("not_found", "/"),
    Case("not_found", "/v1/social/events/", b""),
    Case("method_not_allowed", ONE, b"", {}, "GET"),
    Case("method_not_allowed", "/healthz"),
    Case("body_too_large", body=b"x" * 401),
    Case("body_too_large", MANY, b"\n" * 601, NDJSON),
    Case("event_too_large", body=b"{" + b"x" * 200),
    Case("too_many_events", MANY, b"{}\n" * 4, NDJSON),
    Case("too_many_events", MANY, b"[{},{},{},{}]"),
    Case("inflates_too_much", MANY, gzip.compress(b" " * 601), {**JSON, "Content-Encoding": "gzip"}),
    Case("type_not_taken", headers={}),
    Case("type_not_taken", headers={"Content-Type": "text/plain"}),
    Case("type_not_taken", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Case("type_not_taken", MANY, headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Case("coding_not_taken", headers={**JSON, "Content-Encoding": "br"}),
    Case("coding_not_taken", headers={**JSON, "Content-Encoding": "gzip, gzip"}),
    *(Case("not_an_object", body=body) for body in (b"", b"[1]", b'"x"', b"null", b"nonsense", b"\xff{}")),
    Case("nested_too_deep", body=b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
    *(Case("moved", path, b"", {}, method) for path in GONE_FROM_HERE for method in ("GET", "POST")),
]  # fmt: skip
ELSEWHERE = {"role_denied", "id_reused", "source_too_fast", "door_full", "not_durable", "keys_unread",
             "draining", "unavailable", "internal"}  # fmt: skip


def assert_problem(answer: httpx.Response, code: str) -> None:
    case = refusals("ingest")[code]
    assert (answer.status_code, answer.json()["code"]) == (case.status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{code}"
    assert answer.json()["hint"] == case.hint
    assert ("retry-after" in answer.headers) == (case.status in (429, 503))
    schemes = [each.split()[0] for each in answer.headers.get_list("www-authenticate")]
    assert schemes == (["Bearer", "Basic"] if case.status == 401 else [])


def test_each_refusal_has_a_case() -> None:
    assert {case.code for case in CASES} | ELSEWHERE == set(refusals("ingest"))


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_is_a_problem_and_nothing_is_stored(tmp_path: Path, case: Case) -> None:
    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, SMALL), token(tmp_path, channels=("social",))) as door:
            request = door.build_request(case.method, case.path, content=case.body)
            given = [(k, v) for k, v in request.headers.items() if k != "content-length"]
            named = case.headers.items() if isinstance(case.headers, dict) else case.headers
            own = {name.lower() for name, _ in named}
            kept = [(k, v) for k, v in given if k not in own]
            every = [(k.encode(), v.encode("latin-1")) for k, v in (*kept, *named)]
            request.headers = httpx.Headers(every)
            return await door.send(request)

    assert_problem(asyncio.run(send()), case.code)
    assert payloads(tmp_path) == []


@pytest.mark.parametrize("path", [ONE, MANY])
def test_a_body_is_read_no_further_than_its_limit(tmp_path: Path, path: str) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 100
            yield b"x" * 100

    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, SMALL), token(tmp_path)) as door:
            return await door.post(path, content=endless(), headers=JSON)

    assert_problem(asyncio.run(send()), "body_too_large")
    assert read <= 700


def test_a_body_that_names_too_great_a_length_is_not_read(tmp_path: Path) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, SMALL), token(tmp_path)) as door:
            return await door.post(ONE, content=never(), headers={**JSON, "Content-Length": "401"})

    assert_problem(asyncio.run(send()), "body_too_large")


@pytest.mark.parametrize("path", [ONE, MANY])
def test_a_body_that_never_ends_does_not_keep_its_place(tmp_path: Path, path: str) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, Limits(body_s=0.001)), token(tmp_path)) as door:
            return await door.post(path, content=stalled(), headers=JSON)

    assert_problem(asyncio.run(send()), "framing_unreadable")


@pytest.mark.parametrize(
    "body", [EVENT, b'{"cut":', b'{"id_str":"\xff"}', b'{"a":"\\ud800"}', b"{}", b" {}\n"]
)
def test_any_object_is_stored_as_it_came(tmp_path: Path, body: bytes) -> None:
    async def send() -> list[httpx.Response]:
        async with opened(deps(tmp_path), token(tmp_path)) as door:
            one = await door.post(ONE, content=body, headers=JSON)
            packed = gzip.compress(body)
            two = await door.post(ONE, content=packed, headers={**JSON, "Content-Encoding": "gzip"})
            return [one, two]

    answers = asyncio.run(send())
    assert [answer.status_code for answer in answers] == [202, 202]
    assert payloads(tmp_path) == [body.strip()] * 2
    if b"_str" not in body or b"\xff" in body:
        assert answers[0].json()["id_origin"] == "minted"


def test_a_receipt_is_a_function_of_the_id(tmp_path: Path) -> None:
    async def send() -> list[httpx.Response]:
        async with opened(deps(tmp_path), token(tmp_path)) as door:
            one = await door.post(ONE, content=EVENT, headers={**JSON, "Idempotency-Key": "unused"})
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            two = await door.post(
                "/v1/sms/events", content=b"Body=hi", headers={**form, "Idempotency-Key": "k"}
            )
            return [one, two, await door.get(one.json()["status_url"])]

    provided, keyed, state = asyncio.run(send())
    expected = event_id("gateway", "provider", "1")
    body = {"event_id": expected, "id_origin": "provider", "status_url": f"/v1/events/{expected}"}
    assert provided.json() == body
    assert keyed.json()["event_id"] == event_id("gateway", "idempotency_key", "k")
    assert state.json() == {
        "event_id": expected, "state": "pending", "disposition": None, "reason": None, "reason_field": None,
        "commit_seq": None
    }  # fmt: skip


def test_the_same_id_for_other_bytes_is_told_once_it_is_certain(tmp_path: Path) -> None:
    """The first door took the event, the second one other bytes after it: who sends the event again to the
    second one is right, and whoever sends other bytes to the first one is not."""
    decided: list[Committed] = []

    async def lookup(_: str) -> Committed | None:
        return decided[0] if decided else None

    async def send() -> list[httpx.Response]:
        key, other = token(tmp_path), EVENT.replace(b"no", b"slow")
        with_lookup = deps(tmp_path, lookup=lookup), deps(tmp_path, lookup=lookup)
        async with opened(with_lookup[0], key) as first, opened(with_lookup[1], key) as second:
            answers = [await first.post(ONE, content=EVENT, headers=JSON)]
            received_at = to_datetime(stored(tmp_path)[0].received_us)
            for door, body in ((second, other), (second, EVENT), (first, other)):
                answers.append(await door.post(ONE, content=body, headers=JSON))
            decided.append(Committed("gateway", "accepted", None, None, 7, received_at))
            for door, body in ((second, EVENT), (second, other), (first, EVENT), (first, other)):
                answers.append(await door.post(ONE, content=body, headers=JSON))
            return answers

    *taken, refused = asyncio.run(send())
    assert [answer.status_code for answer in taken] == [202] * 7
    assert_problem(refused, "id_reused")
    assert len(payloads(tmp_path)) == 7


@pytest.mark.parametrize("trouble", [Unavailable("no answer"), TimeoutError()], ids=["down", "slow"])
def test_without_an_answer_about_an_id_nobody_is_refused(tmp_path: Path, trouble: Exception) -> None:
    async def lookup(_: str) -> Committed | None:
        raise trouble

    async def send() -> list[int]:
        async with opened(deps(tmp_path, lookup=lookup), token(tmp_path)) as door:
            bodies = (EVENT, EVENT.replace(b"no", b"slow"))
            return [(await door.post(ONE, content=body, headers=JSON)).status_code for body in bodies]

    assert asyncio.run(send()) == [202, 202]


@pytest.mark.parametrize("lines", [True, False], ids=["lines", "array"])
def test_a_batch_has_a_result_for_each_event_in_order(tmp_path: Path, lines: bool) -> None:
    events = [
        EVENT,
        b"[1]",
        b'{"id_str":"2", "cut":"\\ud800"}',
        b"7",
        DEEP,
        b'{"x":"' + b"x" * 2000 + b'"}',
        b"{}",
    ]
    body = b"\n".join(events) if lines else b"[" + b",".join(events) + b"]"

    async def send() -> httpx.Response:
        limits = Limits(event_bytes=1000)
        async with opened(deps(tmp_path, limits), token(tmp_path)) as door:
            return await door.post(MANY, content=body, headers=NDJSON if lines else JSON)

    answer = asyncio.run(send())
    results = answer.json()["results"]
    assert answer.status_code == 202
    assert [each["status"] for each in results] == [202, 422, 202, 422, 413, 413, 202]
    assert [each["code"] for each in results if each["status"] != 202] == [
        "not_an_object", "not_an_object", "nested_too_deep", "event_too_large"
    ]  # fmt: skip
    assert [results[i]["event_id"] for i in (0, 2)] == [event_id("gateway", "provider", i) for i in "12"]
    assert payloads(tmp_path) == [events[0], events[2], events[6]]


def test_a_batch_without_events_is_taken(tmp_path: Path) -> None:
    async def send() -> httpx.Response:
        async with opened(deps(tmp_path), token(tmp_path)) as door:
            return await door.post(MANY, content=b"\n", headers=NDJSON)

    assert asyncio.run(send()).json() == {"results": []}


def test_a_key_of_another_role_sends_nothing(tmp_path: Path) -> None:
    async def send() -> httpx.Response:
        async with opened(deps(tmp_path), token(tmp_path, role="analyst")) as door:
            return await door.post(ONE, content=EVENT, headers=JSON)

    assert_problem(asyncio.run(send()), "role_denied")


def test_a_source_that_sends_too_fast_is_told_to_wait(tmp_path: Path) -> None:
    async def send() -> list[httpx.Response]:
        limits = Limits(source_rate=0.01, source_burst=2.0)
        async with opened(deps(tmp_path, limits), token(tmp_path)) as door:
            other = {**JSON, "Authorization": "Bearer " + token(tmp_path, "other")}
            return [
                await door.post(MANY, content=b"{}\n{}\n{}\n", headers=NDJSON),
                await door.post(ONE, content=EVENT, headers=JSON),
                await door.post(ONE, content=EVENT, headers=other),
            ]

    batch, single, _ = asyncio.run(send())
    assert batch.status_code == 202
    assert_problem(single, "source_too_fast")
    assert 100 <= int(single.headers["retry-after"]) <= 201


class Failing:
    """A writer that takes nothing."""

    is_healthy = False

    async def append(self, envelopes: object) -> None:
        raise NotDurable("the log could not be written")

    async def probe(self) -> None: ...

    async def roll_if_old(self) -> None: ...

    async def close(self) -> None: ...


def test_what_is_not_durable_is_not_acknowledged(tmp_path: Path) -> None:
    async def send() -> list[httpx.Response]:
        async with opened(deps(tmp_path, writer=Failing()), token(tmp_path)) as door:
            return [
                await door.post(ONE, content=EVENT, headers=JSON),
                await door.post(MANY, content=EVENT, headers=NDJSON),
                await door.get("/readyz"),
                await door.get("/healthz"),
            ]

    *refused, alive = asyncio.run(send())
    for answer in refused:
        assert_problem(answer, "not_durable")
    assert alive.json() == {"state": "alive"}


def test_bodies_beyond_the_room_there_is_are_told_to_wait(tmp_path: Path) -> None:
    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, Limits(held_bytes=10)), token(tmp_path)) as door:
            return await door.post(ONE, content=EVENT, headers=JSON)

    assert_problem(asyncio.run(send()), "door_full")


def test_a_lost_hint_costs_nothing(tmp_path: Path) -> None:
    def lost() -> None:
        raise RuntimeError("nobody hears")

    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, hint=lost), token(tmp_path)) as door:
            return await door.post(ONE, content=EVENT, headers=JSON)

    assert asyncio.run(send()).status_code == 202
    assert payloads(tmp_path) == [EVENT]


@pytest.mark.parametrize(("source", "state"), [("gateway", "committed"), ("other", "pending")])
def test_only_its_own_source_is_told_of_an_event(tmp_path: Path, source: str, state: str) -> None:
    async def lookup(_: str) -> Committed | None:
        return Committed(source, "quarantined", "text_invalid", "$.text", 7)

    async def ask() -> dict[str, Any]:
        async with opened(deps(tmp_path, lookup=lookup), token(tmp_path)) as door:
            found = await door.get("/v1/events/" + "a" * 32)
            return dict(found.json())

    known = {
        "disposition": "quarantined",
        "reason": "text_invalid",
        "reason_field": "$.text",
        "commit_seq": 7,
    }
    told = known if state == "committed" else dict.fromkeys(known)
    assert asyncio.run(ask()) == {"event_id": "a" * 32, "state": state, **told}


def test_what_has_moved_is_told_where_it_is(tmp_path: Path) -> None:
    async def ask() -> list[str]:
        async with opened(deps(tmp_path)) as door:
            return [(await door.get(path)).json()["detail"] for path in GONE_FROM_HERE]

    said = asyncio.run(ask())
    assert said[:2] == ["it is /query/v1/complaints now", "it is /query/v1/complaints/{event_id} now"]
    assert len(set(said)) == len(GONE_FROM_HERE)


@pytest.mark.parametrize("user", ["", "console", "a:b"])
def test_a_key_is_taken_as_a_basic_password(tmp_path: Path, user: str) -> None:
    async def send() -> httpx.Response:
        key = token(tmp_path)
        async with opened(deps(tmp_path)) as door:
            return await door.post(ONE, content=EVENT, headers=JSON, auth=httpx.BasicAuth(user, key))

    assert asyncio.run(send()).status_code == (401 if ":" in user else 202)


async def failing(_: object) -> Committed:
    raise Unavailable("the query side does not answer")


async def slow(_: object) -> Committed:
    raise TooSlow("the query takes too long")


async def never(_: object) -> Committed:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("lookup", [failing, slow, never])
def test_a_silent_warehouse_is_told_and_costs_the_door_nothing(tmp_path: Path, lookup: object) -> None:
    async def send() -> list[httpx.Response]:
        given = deps(tmp_path, Limits(lookup_s=0.001, lookups=1), lookup=lookup)
        async with opened(given, token(tmp_path)) as door:
            return [
                await door.get(EVENT_STATE),
                await door.get(EVENT_STATE),
                await door.post(ONE, content=EVENT, headers=JSON),
            ]

    *refused, taken = asyncio.run(send())
    for answer in refused:
        assert_problem(answer, "unavailable")
    assert taken.status_code == 202


def test_what_nobody_foresaw_is_a_problem_too(tmp_path: Path) -> None:
    async def faulty(_: object) -> Committed:
        raise ZeroDivisionError

    async def send() -> httpx.Response:
        headers = {"Authorization": f"Bearer {token(tmp_path)}"}
        app = create_api(deps(tmp_path, lookup=faulty))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://door", headers=headers) as door:
            return await door.get(EVENT_STATE)

    assert_problem(asyncio.run(send()), "internal")


def test_more_look_ups_than_may_be_are_told_to_wait(tmp_path: Path) -> None:
    async def send() -> list[httpx.Response]:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def lookup(_: str) -> None:
            entered.set()
            await leave.wait()

        async with opened(deps(tmp_path, Limits(lookups=1), lookup=lookup), token(tmp_path)) as door:
            first = asyncio.create_task(door.get(EVENT_STATE))
            await entered.wait()
            second = await door.get(EVENT_STATE)
            leave.set()
            return [second, await first, await door.get(EVENT_STATE)]

    full, *answered = asyncio.run(send())
    assert_problem(full, "door_full")
    assert [each.status_code for each in answered] == [200, 200]


def test_without_keys_the_door_knows_nobody_and_says_so(tmp_path: Path) -> None:
    async def send() -> list[httpx.Response]:
        def read() -> list[Any]:
            raise Unavailable("the control database does not answer")

        given = deps(tmp_path)
        app = create_api(given._replace(keys=KeyCache(read, given.clock, 0.0)))
        async with client(app, token(tmp_path)) as door:
            return [await door.get("/readyz"), await door.post(ONE, content=json.dumps({}).encode())]

    for answer in asyncio.run(send()):
        assert_problem(answer, "keys_unread")


def test_ready_is_said_when_it_is_so(tmp_path: Path) -> None:
    async def send() -> httpx.Response:
        async with opened(deps(tmp_path, lookup=unknown)) as door:
            return await door.get("/readyz")

    assert asyncio.run(send()).json() == {"state": "ready"}
