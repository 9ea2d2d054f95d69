"""The demonstration against doors that are not there: what is sent, waited for and accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.errors import Unavailable
from catalog.ids import event_id
from cluster import demo
from cluster.demo import BATCH, JSON, Doors, Ledger, Post, groups, stream, watch
from cluster.demo_report import report
from pipelines.mapping import Record

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
    counted = stream(client(door, monkeypatch), day, lambda *each: told.append(each))
    assert counted == {"sent": 6, "acknowledged": 5, "batched": 5, "single": 1}
    assert told[-1] == (6, 5)


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
    counted = demo.stream(client(lambda _: left.pop(0), monkeypatch), day, lambda *_: None)
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
        rows = [{"event_id": known, "disposition": "quarantined", "reason": "text_invalid"}]
        return httpx.Response(200, json={"as_of_seq": 1, "rows": rows})

    payloads: list[bytes | None] = [b'{"id": "1"}', b'{"id": "1"}', b"{}", None]
    records = [
        Record(n, payload, None if payload else "2 cells where the header has 3")
        for n, payload in enumerate(payloads, 1)
    ]
    ended = report(client(door, monkeypatch), "shop", records, tmp_path / "report.jsonl")
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


def test_doors_that_hang_up_are_told_and_asked_no_more(monkeypatch: Any) -> None:
    def door(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    gone = client(door, monkeypatch)
    for ask in (lambda: gone.ask("SELECT 1 AS x"), gone.is_known, lambda: stream(gone, [post(1)], print)):
        with pytest.raises(Unavailable, match="do not answer"):
            ask()
