import asyncio

import msgspec

from serve_apps.passing import Committed, target
from serve_apps.query.api import Deps
from serve_apps.query.door import Answered, Asked, Door
from serve_apps.query.engine.port import QueryEngine
from tests.serve_apps.query.test_api import Canned, Keys, original


def ask(engine: QueryEngine, *asked: Asked) -> list[Answered]:
    async def each() -> list[Answered]:
        door = Door(lambda: Deps(engine, Keys(), original))
        return [await door.answer(one) for one in asked]

    return asyncio.run(each())


def test_answers_a_request_as_the_routes_would(engine: QueryEngine) -> None:
    key = [("authorization", "Bearer key-a")]
    body = msgspec.json.encode({"sql": "SELECT count(*) AS n FROM events"})
    page, sql, nowhere, unknown = ask(
        engine,
        Asked("GET", "/v1/complaints?limit=1&q=since%207%20days", key),
        Asked("POST", "/v1/sql", key, body),
        Asked("GET", "/v1/nowhere", key),
        Asked("GET", "/v1/ledger", []),
    )
    assert msgspec.json.decode(page.body)["rows"][0]["event_id"] == f"{7:032x}"
    assert dict(page.headers)["beejan-as-of-seq"] == "1"
    assert msgspec.json.decode(sql.body)["rows"] == [{"n": 20}]
    assert [nowhere.status, unknown.status] == [404, 401]


def test_a_target_may_hold_any_bytes(engine: QueryEngine) -> None:
    sent = target({"path": "/v1/complaints", "query_string": "q=é ñ\x7f".encode()})
    (page,) = ask(engine, Asked("GET", sent, [("authorization", "Bearer key-a")]))
    assert (page.status, msgspec.json.decode(page.body)["rows"]) == (200, [])


def test_finds_what_became_of_an_event(engine: QueryEngine) -> None:
    async def both() -> list[Committed | None]:
        door = Door(lambda: Deps(engine, Keys(), original))
        return [await door.find(f"{number:032x}") for number in (10, 99)]

    held, unknown = asyncio.run(both())
    assert unknown is None
    assert held is not None
    assert (held.disposition, held.reason, held.commit_seq) == ("quarantined", "event_time_naive", 1)


def test_an_error_nobody_foresaw_is_an_answer_too() -> None:
    answered = ask(
        Canned(ZeroDivisionError()), Asked("GET", "/v1/ledger", [("authorization", "Bearer key-a")])
    )
    assert (answered[0].status, msgspec.json.decode(answered[0].body)["code"]) == (500, "internal")
