"""The demonstration against doors that are not there: what is sent, waited for and accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.clock import SystemClock
from catalog.errors import Unavailable
from catalog.ids import conflict_id, event_id, payload_digest
from catalog.lake.commit import Lake
from catalog.lake.place import local
from catalog.tables import EVENTS
from cluster import demo
from cluster.demo import BATCH, JSON, Doors, Ledger, Post, groups, stream, watch
from cluster.demo_report import advice, report
from cluster.demo_score import agreement
from pipelines.mapping import Record
from pipelines.simulator.sent import Truth
from serve_apps.query.engine.duckdb import DuckDb
from serve_apps.query.engine.port import Limits
from tests.serve_apps.query.lakes import commit, complaint, derive, event

NOTHING = Ledger(0, 0, 0, 0, 0, 0)


def post(number: int, source: str = "gateway", payload: bytes = b"", content_type: str = JSON) -> Post:
    return Post("sms", source, payload or b'{"id": "%d"}' % number, content_type)


def client(answer: Callable[[httpx.Request], httpx.Response], monkeypatch: Any) -> Doors:
    """Doors whose other side is a function."""
    found = Doors("http://door", {"gateway": "key", "": "asks"})
    found.close()
    monkeypatch.setattr(
        found, "_client", httpx.Client(transport=httpx.MockTransport(answer), base_url="http://door")
    )
    return found


def test_batches_hold_objects_of_one_source_in_order_and_the_rest_goes_alone() -> None:
    form = post(0, payload=b"Body=x", content_type="application/x-www-form-urlencoded")
    alone = [form, post(0, payload=b"[1]"), post(0, payload=b'{"a":\n1}'), post(0, payload=b"{")]
    of_one, of_other = [post(n) for n in range(BATCH + 1)], [post(n, "other") for n in range(2)]
    found = list(groups([of_other[0], *alone, *of_one, of_other[1]]))
    assert found == [*([each] for each in alone), of_one[:BATCH], of_other, of_one[BATCH:]]


def test_a_day_is_sent_and_counted(monkeypatch: Any) -> None:
    def door(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("events:batch"):
            lines = request.content.splitlines()
            results = [{"status": 422 if json.loads(each)["id"] == "3" else 202} for each in lines]
            return httpx.Response(202, json={"results": results})
        return httpx.Response(202, json={"event_id": "1"})

    told: list[tuple[int, int]] = []
    day = [post(0, payload=b"{"), *(post(n) for n in range(5))]
    counted, refused = stream(client(door, monkeypatch), day, lambda *each: told.append(each))
    assert counted == {"sent": 6, "acknowledged": 5, "batched": 5, "single": 1}
    assert told[-1] == (6, 5)
    assert refused == {day[4].payload}


def test_who_is_interrupted_sends_no_more(monkeypatch: Any) -> None:
    sent: list[bytes] = []

    def door(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(202, json={})

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(client(door, monkeypatch), [post(n, payload=b"{%d" % n) for n in range(5_000)], interrupt)
    assert len(sent) < 5_000


def test_told_to_come_back_it_does_and_a_refusal_is_told(monkeypatch: Any) -> None:
    left = [401, 429, 503, 202, 422]

    def door(_: httpx.Request) -> httpx.Response:
        return httpx.Response(left.pop(0), headers={"Retry-After": "0"}, json={"title": "no object"})

    monkeypatch.setattr(demo.time, "sleep", lambda _: None)
    doors = client(door, monkeypatch)
    assert doors.send(post(1), "events", b"{}", JSON) == {"title": "no object"}
    with pytest.raises(Unavailable, match="no object"):
        doors.send(post(1), "events", b"{}", JSON)


def test_a_question_to_servers_that_start_or_are_busy_is_asked_again(monkeypatch: Any) -> None:
    left = [(503, "unavailable"), (400, "too_slow"), (200, "")]

    def door(_: httpx.Request) -> httpx.Response:
        status, code = left.pop(0)
        return httpx.Response(status, headers={"Retry-After": "0"}, json={"code": code})

    monkeypatch.setattr(demo.time, "sleep", lambda _: None)
    assert client(door, monkeypatch).ask("SELECT 1") == {"code": ""}
    assert left == []


def test_a_refused_question_is_not_asked_again(monkeypatch: Any) -> None:
    doors = client(lambda _: httpx.Response(400, json={"code": "bad_input"}), monkeypatch)
    monkeypatch.setattr(demo.time, "sleep", lambda _: pytest.fail("asked again"))
    with pytest.raises(Unavailable, match="refused"):
        doors.ask("SELECT 1")


def test_an_id_used_again_is_sent_and_not_acknowledged(monkeypatch: Any) -> None:
    left = [httpx.Response(202, json={"event_id": "1"}), httpx.Response(409, json={"status": 409})]
    form = "application/x-www-form-urlencoded"
    day = [post(1, payload=b"Body=x", content_type=form), post(1, payload=b"Body=y", content_type=form)]
    monkeypatch.setattr(demo, "AT_ONCE", 1)
    counted, refused = demo.stream(client(lambda _: left.pop(0), monkeypatch), day, lambda *_: None)
    assert refused == {b"Body=y"}
    assert (counted["sent"], counted["acknowledged"]) == (2, 1)


def test_it_waits_until_all_is_decided_and_curated(monkeypatch: Any) -> None:
    received, curated = [0, 6, 9, 9], [2, 3]

    def door(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content)["sql"] == demo.COUNT_COMPLAINTS:
            return httpx.Response(200, json={"as_of_seq": curated.pop(0), "rows": []})
        row = {name: 0 for name in demo.OUTCOMES} | {"received": received.pop(0)}
        return httpx.Response(200, json={"as_of_seq": 3, "rows": [row]})

    monkeypatch.setattr(demo.time, "sleep", lambda _: None)
    seen: list[int] = []
    found = watch(client(door, monkeypatch), NOTHING, 9, lambda each: seen.append(each.received))
    assert (found.received, seen, curated) == (9, [0, 6, 9, 9], [])


def test_what_stands_still_is_told(monkeypatch: Any) -> None:
    def door(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"as_of_seq": 0, "rows": [dict.fromkeys(demo.OUTCOMES, 0)]})

    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(demo.time, "sleep", lambda _: None)
    monkeypatch.setattr(demo.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(Unavailable, match="beejan status"):
        watch(client(door, monkeypatch), NOTHING, 1, lambda _: None)


def test_every_record_is_accounted_for(tmp_path: Path, monkeypatch: Any) -> None:
    known = event_id("shop", "provider", "1")

    def door(_: httpx.Request) -> httpx.Response:
        rows = [{"event_id": known, "plan": 2, "disposition": "quarantined", "reason": "text_invalid"}]
        return httpx.Response(200, json={"as_of_seq": 1, "rows": rows})

    payloads: list[bytes | None] = [b'{"id": "1"}', b'{"id": "1"}', b"{}", None]
    records = [
        Record(n, payload, None if payload else "2 cells where the header has 3")
        for n, payload in enumerate(payloads, 1)
    ]
    ended = report(client(door, monkeypatch), "shop", records, tmp_path / "report.jsonl", 1, ())
    written = [json.loads(each) for each in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [each["disposition"] for each in written] == [
        "quarantined",
        "redelivered",
        "unidentified",
        "not sent",
    ]
    assert [each["record"] for each in written] == [1, 2, 3, 4]
    assert sum(ended.values()) == 4
    assert ended["not sent: 2 cells where the header has 3"] == 1


class Rows:
    """Doors that know these rows of `events`."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = rows

    def ask(self, sql: str) -> dict[str, Any]:
        return {"rows": [row for row in self._rows if f"'{row['event_id']}'" in sql]}


def told(payload: bytes, plan: int, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows that a payload has as the first of its id, and as one that comes after another."""
    event = event_id("shop", "provider", json.loads(payload)["id"])
    first = {"event_id": event, "plan": plan, "disposition": "accepted", "reason": None, **given}
    again = {"event_id": conflict_id("shop", event, payload_digest(payload)), "disposition": "quarantined"}
    return first, first | again | {"reason": "idempotency_conflict"}


def fates(rows: Rows, path: Path, *payloads: bytes, refused: Any = ()) -> tuple[Any, list[dict[str, Any]]]:
    records = [Record(number, payload, None) for number, payload in enumerate(payloads, 1)]
    ended = report(rows, "shop", records, path, 1, refused)  # type: ignore[arg-type]
    assert sum(ended.values()) == len(records)
    return ended, [json.loads(each) for each in path.read_text().splitlines()]


OLD, NEW = b'{"id": "1", "text": "a"}', b'{"id": "1", "text": "b"}'


def test_a_corrected_file_is_told_that_the_earlier_version_stays_in_force(tmp_path: Path) -> None:
    (old, _), (_, new) = told(OLD, 1, l2="outage"), told(NEW, 2, l2="refund")
    ended, (row,) = fates(Rows(old, new), tmp_path / "r", NEW)
    assert (row["disposition"], row["reason"]) == ("quarantined", "idempotency_conflict")
    assert (row["in_force"]["disposition"], row["in_force"]["l2"]) == ("accepted", "outage")
    assert ended == {"quarantined: idempotency_conflict": 1}
    assert all(
        word in advice(ended) for word in ("content: 1.", "earlier version", "quarantined", "BEEJAN_HOME")
    )


def test_what_a_door_refused_is_not_told_as_accepted(tmp_path: Path) -> None:
    (old, _) = told(OLD, 1)
    ended, (row,) = fates(Rows(old), tmp_path / "r", NEW, refused={NEW})
    assert (row["disposition"], row["in_force"]["event_id"]) == ("refused", old["event_id"])
    assert "refused" in advice(ended)


def test_the_same_file_again_is_redelivered_and_nothing_is_to_be_done(tmp_path: Path) -> None:
    (old, _) = told(OLD, 1)
    ended, _ = fates(Rows(old), tmp_path / "r", OLD)
    assert ended == {"redelivered: decided before as accepted": 1}
    assert advice(ended) == ""


def test_two_versions_in_one_file_are_told_apart(tmp_path: Path) -> None:
    (old, _), (_, new) = told(OLD, 2), told(NEW, 2)
    _, rows = fates(Rows(old, new), tmp_path / "r", OLD, NEW, NEW)
    assert [row["disposition"] for row in rows] == ["accepted", "quarantined", "redelivered"]
    assert rows[2]["in_force"]["event_id"] == old["event_id"]


def test_decisions_are_compared_with_what_was_meant() -> None:
    meant: dict[str, Any] = {"complaint_id": "c", "kind": "outage", "city": None, "event_us": 0}
    truth = Truth(event_id="1", l1="network", l2="outage", region="Lagos", is_complaint=True, **meant)
    praise = Truth(
        event_id="2", l1="unclassified", l2="unclassified", region=None, is_complaint=False, **meant
    )
    damaged = Truth(event_id="3", l1="x", l2="x", region="x", is_complaint=True, broken="cut", **meant)
    decided = [
        {"event_id": "1", "is_complaint": True, "l1": "network", "l2": "speed", "region": None},
        {"event_id": "2", "is_complaint": False, "l1": "unclassified", "l2": "unclassified", "region": None},
        {"event_id": "3", "is_complaint": True, "l1": "x", "l2": "x", "region": "x"},
    ]
    sent = [post(n)._replace(truth=each) for n, each in enumerate((truth, praise, damaged))]
    found = agreement(Rows(*decided), sent)  # type: ignore[arg-type]
    assert [each[1:] for each in found] == [(2, 2), (1, 1), (1, 0), (1, 0)]
    assert agreement(Rows(), [post(1)]) == []  # type: ignore[arg-type]


def test_what_is_not_known_stands_last_and_is_named(tmp_path: Path) -> None:
    unknown: dict[str, Any] = {"l1": "unclassified", "l2": "unclassified", "region": None}
    given = [(n, unknown if n < 4 else {"region": f"State {n % 13:02}"}) for n in range(30)]
    place = local(tmp_path)
    lake = Lake(place)
    rows = [event(n, 1, **more) for n, more in given]
    commit(lake, EVENTS, [{k: v for k, v in row.items() if k in EVENTS.arrow_schema.names} for row in rows])
    derive(lake, [complaint(n, 1, **more) for n, more in given], 1)
    lake.close()
    with closing(DuckDb(Lake(place), SystemClock(), processes=1)) as engine:
        by_category, by_region, *_ = (
            engine.query(sql, (), "analyst", Limits(seconds=60)).table.to_pylist()
            for sql in demo.QUESTIONS.values()
        )
    assert [(row["l1"], row["complaints"]) for row in by_category] == [
        ("network", 26),
        ("(no category recognised)", 4),
    ]
    assert [row["region"] for row in by_region][-2:] == ["(all other regions)", "(no region named)"]
    assert (len(by_region), sum(row["complaints"] for row in by_region)) == (13, 30)


def test_doors_that_hang_up_are_told_and_asked_no_more(monkeypatch: Any) -> None:
    def door(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    gone = client(door, monkeypatch)
    for ask in (lambda: gone.ask("SELECT 1 AS x"), gone.is_known, lambda: stream(gone, [post(1)], print)):
        with pytest.raises(Unavailable, match="do not answer"):
            ask()
