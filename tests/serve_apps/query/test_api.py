from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from catalog import errors
from catalog.control.keys import Key
from catalog.control.keys import Role as KeyRole
from catalog.errors import Busy, NotDurable, TooLarge, Unavailable, UnsafeStore
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import EVENTS
from serve_apps.problems import refusals
from serve_apps.query import api
from serve_apps.query.api import ROUTES, Deps, create_api
from serve_apps.query.engine.port import Answer, Gone, Limits, QueryEngine, Role, Value, never
from serve_apps.query.filters import Complaints, Cursor
from tests.serve_apps.client import Client
from tests.serve_apps.documents import references, resolved
from tests.serve_apps.query.engine.engines import duckdb
from tests.serve_apps.query.lakes import commit, complaint, derive, event

ARROW = "application/vnd.apache.arrow.stream"
ID = "{:032x}".format


class Keys:
    """One key for each role, and one that only the database knows, which is away."""

    def find(self, token: str) -> Key | None:
        if token == "key-new":
            raise Unavailable("the control database does not answer")
        roles: dict[str, KeyRole] = {
            **{"key-a": "analyst", "key-b": "analyst", "key-c": "compliance"},
            **{"key-f": "finance", "key-i": "ingest"},
        }
        role = roles.get(token)
        return None if role is None else Key(token, "desk", (), role, 0, None, None)


def original(segment: str, offset: int) -> bytes:
    return b"\xff" if offset == 3 else f"{segment}:{offset}".encode()


def away() -> Lake:
    raise Unavailable("the lake does not answer")


def unnoted(key_id: str, event_id: str) -> None: ...


def deps(engine: QueryEngine, **given: Any) -> Deps:
    """What an application over an engine works with; nothing else is there unless given."""
    return Deps(engine, Keys(), original, unnoted, away)._replace(**given)


def client(engine: QueryEngine, key: str = "key-a") -> Client:
    return Client(create_api(deps(engine)), {"Authorization": f"Bearer {key}"})


class Canned:
    """An engine that gives one answer, or one error."""

    def __init__(self, answer: pa.Table | Exception) -> None:
        self._answer = answer
        self.asked: list[tuple[str, Sequence[Value]]] = []

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        self.asked.append((sql, params))
        if isinstance(self._answer, Exception):
            raise self._answer
        return Answer(self._answer, 7, False)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        *((said, (401, "key_unknown")) for said in ("", "Bearer", "Bearer other", "Basic key-a", "key-a")),
        ("Bearer key-i", (403, "role_denied")),
    ],
)
def test_wants_a_key_that_asks(authorization: str, refusal: tuple[int, str]) -> None:
    engine = Canned(Busy("never asked"))
    app = create_api(deps(engine))
    for method, path in [
        ("GET", "/query/v1/complaints"),
        ("POST", "/query/v1/sql"),
        ("GET", "/query/v1/dictionary"),
    ]:
        answer = Client(app, {"Authorization": authorization}).request(method, path, content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == refusal
    assert engine.asked == []


def test_keys_that_cannot_be_read_refuse_nobody_for_good() -> None:
    answer = client(Canned(Busy("never asked")), "key-new").request(
        "POST", "/query/v1/sql", json={"sql": "SELECT 1"}
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "keys_unread")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("limit=2", [9, 8]),
        ("channel=social", [4]),
        ("region=Kano&l1=billing&l2=refund", [4]),
        ("disposition=duplicate", [3]),
        ("is_complaint=false", [5]),
        (f"cluster_id={ID(1)}", [3, 2, 1]),
        ("q=SINCE 7 days", [7]),
        ("q=%25", []),
        ("from=2026-01-02&to=2026-01-02&limit=1", [9]),
        ("from=2026-01-03", []),
        ("to=2026-01-01", []),
        ("channel=sms' OR '1'='1", []),
    ],
)
def test_complaints_that_fit_all_filters(engine: QueryEngine, query: str, numbers: list[int]) -> None:
    answer = client(engine).get("/query/v1/complaints?" + query).json()
    assert [row["event_id"] for row in answer["rows"]] == [ID(n) for n in numbers]
    assert answer["as_of_seq"] == 1


@pytest.mark.parametrize(
    "path",
    [
        *("complaints?l3=x", "complaints?from=yesterday", "complaints?limit=0", "complaints?limit=10001"),
        *("complaints?cursor=x", "complaints?cursor=kwECAw", "clusters?q=x", "clusters?members=1"),
        "kpis/daily?from=1-1",
        "complaints?cursor=" + Cursor(1 << 62, "a", 1, Complaints().digest()).encode(),
    ],
)
def test_a_parameter_that_means_nothing_is_a_problem(engine: QueryEngine, path: str) -> None:
    answer = client(engine).get("/query/v1/" + path)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_hold_every_complaint_once_while_more_are_committed(tmp_path: Path) -> None:
    lake = Lake(local(tmp_path))
    derive(lake, [complaint(n // 2, 1, event_id=ID(n)) for n in range(7)], source_seq=1)
    engine = duckdb(local(tmp_path))
    door, seen, path = client(engine), [], "/query/v1/complaints?limit=2&l1=network"
    while path:
        answer = door.get(path)
        assert answer.json()["as_of_seq"] == 1
        seen += [row["event_id"] for row in answer.json()["rows"]]
        more = answer.json().get("next")
        assert answer.headers.get("beejan-next") == more
        path = f"/query/v1/complaints?limit=2&l1=network&cursor={more}" if more else ""
        derive(lake, [complaint(n, 2, event_id=ID(100 + len(seen) + n)) for n in (0, 2, 9)], source_seq=2)
    assert seen == [ID(n) for n in (6, 4, 5, 2, 3, 0, 1)]
    first = door.get("/query/v1/complaints?limit=2").json()["next"]
    assert (
        door.get(f"/query/v1/complaints?l1=billing&cursor={first}").json()["title"]
        == "the cursor belongs to other filters"
    )
    engine.close()
    lake.close()


def test_one_event_with_its_decision_in_words(engine: QueryEngine) -> None:
    answer = client(engine).get(f"/query/v1/complaints/{ID(2)}").json()
    assert (answer["as_of_seq"], answer["event"]["customer_key"], answer["cluster"]["members"]) == (
        1,
        None,
        3,
    )
    assert f"Its text is nearly that of {ID(1)}, 90% alike." in answer["explanation"]
    held = client(engine).get(f"/query/v1/complaints/{ID(10)}").json()
    assert held["event"]["reason"] == "event_time_naive"
    assert held["cluster"] is None
    missing = client(engine).get(f"/query/v1/complaints/{ID(99)}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_committed")


def test_original_text_is_for_compliance_alone(engine: QueryEngine) -> None:
    refused = client(engine).get(f"/query/v1/complaints/{ID(2)}?original=true")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_denied")
    compliance = client(engine, "key-c")
    shown = compliance.get(f"/query/v1/complaints/{ID(2)}?original=true").json()
    assert (shown["original"], shown["event"]["customer_key"]) == ("s1:2", "customer-2")
    assert compliance.get(f"/query/v1/complaints/{ID(3)}?original=true").json()["original_base64"] == "/w=="
    assert "original" not in compliance.get(f"/query/v1/complaints/{ID(2)}").json()


def test_who_reads_an_original_is_noted_before_they_see_it(engine: QueryEngine) -> None:
    noted: list[tuple[str, str]] = []

    def refuse(key_id: str, event_id: str) -> None:
        raise Unavailable("the control database does not answer")

    def ask(key: str, note: Any, path: str) -> httpx.Response:
        app = create_api(deps(engine, note_read=note))
        return Client(app, {"Authorization": f"Bearer {key}"}).get(f"/query/v1/complaints/{path}")

    def note(key_id: str, event_id: str) -> None:
        noted.append((key_id, event_id))

    for key, path in (
        ("key-a", f"{ID(2)}?original=true"),
        ("key-c", ID(2)),
        ("key-c", f"{ID(99)}?original=true"),
    ):
        ask(key, note, path)
    assert noted == []
    assert "original" in ask("key-c", note, f"{ID(2)}?original=true").json()
    assert noted == [("key-c", ID(2))]
    unnoted = ask("key-c", refuse, f"{ID(2)}?original=true")
    assert (unnoted.status_code, unnoted.json()["code"]) == (503, "unavailable")


def test_finance_has_no_ledger(engine: QueryEngine) -> None:
    refused = client(engine, "key-f").get("/query/v1/ledger")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_denied")


@pytest.mark.parametrize(
    ("path", "column", "values"),
    [
        ("clusters", "cluster_id", [ID(1)]),
        ("clusters?members=4", "cluster_id", []),
        ("clusters?from=2026-01-02&to=2026-01-02&l2=outage&region=Lagos", "members", [3]),
        ("kpis/daily?channel=sms", "complaints", [7, 0]),
        ("kpis/daily?from=2026-01-03", "complaints", []),
        ("kpis/daily?l1=billing&l2=refund&region=Kano", "clusters", [1]),
        ("ledger", "received", [12]),
        ("ledger", "is_balanced", [True]),
    ],
)
def test_summaries(engine: QueryEngine, path: str, column: str, values: list[Any]) -> None:
    answer = client(engine).get("/query/v1/" + path)
    assert [row[column] for row in answer.json()["rows"]] == values
    assert answer.headers["beejan-as-of-seq"] == str(answer.json()["as_of_seq"])


def test_sql_with_parameters_and_a_limit(engine: QueryEngine) -> None:
    body = {
        "sql": "SELECT event_id FROM complaints WHERE l1 = ? ORDER BY 1",
        "parameters": ["network"],
        "limit": 2,
    }
    answer = client(engine).request("POST", "/query/v1/sql", json=body)
    assert answer.json() == {
        "as_of_seq": 1,
        "truncated": True,
        "columns": [{"name": "event_id", "type": "varchar"}],
        "rows": [{"event_id": ID(0)}, {"event_id": ID(1)}],
    }
    assert answer.headers["beejan-truncated"] == "true"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not json", 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b'{"sql": "SELECT 1", "limits": 3}', 400, "bad_request"),
        (b'{"sql": "SELECT 1", "limit": 0}', 400, "bad_request"),
        (b'{"sql": "SELECT ?", "parameters": [[1]]}', 400, "bad_request"),
        (b'{"sql": "SELECT * FROM structured.events"}', 400, "bad_input"),
        (b'{"sql": "' + b"x" * 300_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_body_that_is_no_query_is_a_problem(
    engine: QueryEngine, body: bytes, status: int, code: str
) -> None:
    answer = client(engine).request("POST", "/query/v1/sql", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_that_never_ends_does_not_keep_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr(api, "BODY_S", 0.001)
    answer = client(Canned(Busy("never asked"))).request("POST", "/query/v1/sql", content=stalled())
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_every_error_has_its_code_in_the_description() -> None:
    schemas = (
        client(Canned(Busy("never asked"))).get("/query/v1/openapi.json").json()["components"]["schemas"]
    )
    assert {UnsafeStore.code, NotDurable.code, *refusals("query")} <= set(
        schemas["Problem"]["properties"]["code"]["enum"]
    )


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [(Busy("b"), 503, "1"), (TooLarge("t"), 400, None), (UnsafeStore("u"), 500, None)],
)
def test_an_error_says_whether_to_try_again(error: Exception, status: int, retry: str | None) -> None:
    answer = client(Canned(error)).get("/query/v1/ledger")
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry)


def test_every_error_of_an_engine_is_a_refusal_that_is_listed() -> None:
    promised = re.findall(r"\b[A-Z][A-Za-z]+\b", (QueryEngine.query.__doc__ or "").partition("Raises")[2])
    raised = [getattr(errors, name) for name in promised]
    assert {each.code for each in raised} == set(refusals("engine"))
    for each in raised:
        assert (
            client(Canned(each("said"))).get("/query/v1/ledger").status_code
            == refusals("engine")[each.code].status
        )


def test_csv_is_no_formula() -> None:
    words = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'a "b", c', None, "plain"]
    table = pa.table(
        {"=cmd": words, "n": [-1.5, *[None] * 8], "l": [["=a", "b"], *[None] * 8], "b": [True] * 9}
    )
    answer = client(Canned(table)).get("/query/v1/ledger", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.split("\r\n") == [
        "'=cmd,n,l,b",
        '\'=1+1,-1.5,"[""=a"",""b""]",true',
        "'+1,,,true",
        "'-1,,,true",
        "'@x,,,true",
        "'\tx,,,true",
        '"\'\rx",,,true',
        '"a ""b"", c",,,true',
        ",,,true",
        "plain,,,true",
        "",
    ]


def test_arrow_is_the_table_itself(engine: QueryEngine) -> None:
    answer = client(engine).get("/query/v1/complaints?limit=3", headers={"Accept": f"text/html;q=1, {ARROW}"})
    assert (answer.headers["content-type"], answer.headers["beejan-truncated"]) == (ARROW, "true")
    assert pa.ipc.open_stream(answer.content).read_all().num_rows == 3
    assert client(engine).get("/query/v1/ledger", headers={"Accept": "image/png"}).status_code == 406


def test_the_dictionary_lists_what_can_be_asked(engine: QueryEngine) -> None:
    views = {each["name"]: each for each in client(engine).get("/query/v1/dictionary").json()["views"]}
    assert set(views) == {"events", "complaints", "clusters", "quarantine", "kpi_daily", "ledger", "as_of"}
    masked = {each["name"] for each in views["complaints"]["columns"] if each["is_masked"]}
    assert masked == {"customer_key", "account_key"}


def test_describes_itself() -> None:
    described = (
        client(Canned(Busy("never asked")))
        .get("/query/v1/openapi.json", headers={"Authorization": ""})
        .json()
    )
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == set(ROUTES)
    for operations in described["paths"].values():
        for told in operations.values():
            assert (told["security"], "422" in told["responses"]) == ([{"bearer": []}, {"basic": []}], False)
            assert {"200", "400", "401", "403", "500", "503"} <= set(told["responses"])
    found = list(references(described))
    assert len(found) > 40
    assert [each for each in found if resolved(described, each) is None] == []


def test_events_of_a_lake_that_grows_are_there_at_once(tmp_path: Path) -> None:
    lake = Lake(local(tmp_path))
    engine = duckdb(local(tmp_path))
    assert client(engine).get(f"/query/v1/complaints/{ID(1)}").status_code == 404
    commit(lake, EVENTS, [event(1)])
    assert client(engine).get(f"/query/v1/complaints/{ID(1)}").status_code == 200
    engine.close()
    lake.close()


def test_an_answer_names_the_columns_that_are_empty_for_who_asks() -> None:
    engine = Canned(pa.table({"n": [0]}))
    body = {"sql": "SELECT count(customer_key) AS n FROM complaints"}
    named = [
        client(engine, key).request("POST", "/query/v1/sql", json=body).headers.get("Beejan-Emptied")
        for key in ("key-a", "key-c")
    ]
    assert named == ["customer_key", None]
