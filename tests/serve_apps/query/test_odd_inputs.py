"""Whatever is asked, the answer has a status that the address's description lists, and the form it names."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import pytest

from catalog.errors import Busy
from serve_apps.addresses import QUERY
from serve_apps.query.api import ROUTES, create_api
from serve_apps.query.engine.port import QueryEngine
from tests.serve_apps.client import Client
from tests.serve_apps.documents import resolved
from tests.serve_apps.query.test_api import ID, Canned, deps

KEY = {"Authorization": "Bearer key-a"}
FILTERED = ("complaints", "clusters", "kpis/daily")
FORMED = (*FILTERED, "ledger")
NO_DAYS = ("0", "", "20260101", "2026-1-1", "2026-01-01T00:00:00", "1700000000", "2026-02-30", " 2026-01-01")
NO_NUMBERS = ("", "+5", "1_0", " 5", "1.0", "1e1", "0", "-1", "10001", "9" * 30, "٣")
NO_FLAGS = ("", "1", "yes", "on", "TRUE", "0")
ODD_QUERIES = (
    *(
        "l3=x",
        "&&&",
        "%ff=1",
        "=",
        "limit=1&limit=2",
        "q=%FF",
        "q=%00",
        "channel=%00",
        "channel=%F0%9F%98%80",
    ),
    *("cursor=", "cursor=%00", "cursor====", "cursor=%C3%A9", "cursor=gKA", "q=", "q=" + "x" * 201),
)
ODD_ACCEPTS = (
    "",
    ",",
    ";",
    "*/*;q=0",
    "text/html",
    "text/csv;q=0",
    "text/*",
    "application/json;q=abc",
    "a" * 5_000,
)
ODD_IDS = ("%00", "%2F", "..", "A" * 32, "%C3%A9", "%20", "%FF", "x" * 5_000, "0" * 32, ID(2))
ODD_BODIES = (
    *(
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"sql": 1}',
        b'{"sql": ""}',
        b'{"sql": ";"}',
        b'{"sql": " "}',
    ),
    *(b'{"sql": "\\ud800"}', b'{"sql": "SELECT 1; SELECT 2"}', b'{"sql": "SELECT \\u0000"}', b"[" * 100_000),
    *(b'{"sql": "SELECT ? AS x", "parameters": [1e999]}', b'{"sql": "SELECT ? AS x", "parameters": [{}]}'),
    *(b'{"sql": "SELECT 1 AS x", "limit": 1e3}', b'{"sql": "SELECT 1 AS x", "limit": true}'),
    *(
        b'{"sql": "SELECT ? AS x", "parameters": [999999999999999999999999999999]}',
        b'{"sql": "SELECT 1 AS x"}',
    ),
    b'{"sql": "' + b"(" * 5_000 + b'"}',
)
ODD_KEYS = ("", "Bearer", "Basic", "Basic !!!", "Digest x", "Bearer " + "x" * 5_000, "basic key-a", "\t")
ODD_POSITIONS = ("x", "-1", "1.5", "9" * 40, " ")


class Case(NamedTuple):
    """One request, below `/query/v1`."""

    path: str
    headers: Mapping[str, str] = MappingProxyType({})
    method: str = "GET"
    body: bytes = b""


def pair(user_and_password: str) -> str:
    return "Basic " + base64.b64encode(user_and_password.encode()).decode()


WRONG = [
    *(Case(f"{path}?{name}={day}") for path in FILTERED for name in ("from", "to") for day in NO_DAYS),
    *(Case(f"{path}?limit={number}") for path in FILTERED for number in NO_NUMBERS),
    *(Case(f"complaints?is_complaint={flag}") for flag in NO_FLAGS),
    *(Case(f"complaints/{ID(2)}?original={flag}") for flag in NO_FLAGS),
    *(Case("sql", method="POST", body=body) for body in ODD_BODIES[:6]),
]
"""What must be refused before any engine is asked."""
ODD = [
    *(Case(f"{path}?{query}") for path in FILTERED for query in ODD_QUERIES),
    *(Case(path, {"Accept": accept}) for path in FORMED for accept in ODD_ACCEPTS),
    *(Case("sql", {"Accept": each}, "POST", b'{"sql": "SELECT 1 AS x"}') for each in ODD_ACCEPTS),
    *(Case(f"complaints/{each}") for each in ODD_IDS),
    *(Case("sql", method="POST", body=body) for body in ODD_BODIES),
    *(Case("dictionary", {"Authorization": key}) for key in (*ODD_KEYS, pair("nobody"), pair(":key-i"))),
    *(Case("commits/events", {"Last-Event-ID": each}) for each in ODD_POSITIONS),
    *(Case(path, method=method) for path in (*FORMED, "commits/events") for method in ("PUT", "HEAD")),
]


def told(app: Any, case: Case) -> httpx.Response:
    return Client(app, KEY | dict(case.headers)).request(
        case.method, f"{QUERY}/{case.path}", content=case.body
    )


def route_of(case: Case) -> str:
    path = f"{QUERY}/{case.path.partition('?')[0]}"
    return path if path in ROUTES else f"{QUERY}/complaints/{{event_id}}"


def require_described(described: Any, case: Case, answer: httpx.Response) -> None:
    """The status is one of its address's, and the body has the form that is named for it."""
    operation = described["paths"][route_of(case)].get(case.method.lower())
    if operation is None:
        assert answer.status_code == 405
        return
    assert str(answer.status_code) in operation["responses"], (case, answer.text)
    said = operation["responses"][str(answer.status_code)]
    content = (resolved(described, said["$ref"]) if "$ref" in said else said)["content"]
    assert answer.headers["content-type"].partition(";")[0] in content
    if answer.is_error:
        assert answer.json()["code"] in content["application/problem+json"]["examples"]


@pytest.fixture
def application(engine: QueryEngine) -> Any:
    return create_api(deps(engine))


def test_every_answer_is_one_that_is_described(application: Any) -> None:
    described = application.openapi()
    for case in (*WRONG, *ODD):
        require_described(described, case, told(application, case))


def test_what_is_no_value_of_its_type_is_refused() -> None:
    app = create_api(deps(Canned(Busy("never asked"))))
    taken = [case for case in WRONG if told(app, case).status_code != 400]
    assert taken == []
