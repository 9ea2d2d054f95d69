"""The proxy in front, with small servers in the place of Serve's replicas."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from cluster.stack.stack import free_ports, free_range
from cluster.supervisor import proxy as module
from cluster.supervisor.proxy import LIMITS, Listening, Proxy
from cluster.supervisor.record import last_words
from cluster.waiting import wait
from serve_apps.problems import MEDIA_TYPE, refusals

PORTS = 4
DEATH = (0, "", b"")
"""What a replica answers that ends in the middle of a request."""
WAIT_S = 30.0


class Replica(ThreadingHTTPServer):
    """Stands where a replica of `application` would, and says what its test wants."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, application: str) -> None:
        self.application = application
        self.go_on = Event()
        self.go_on.set()
        self.answer = (202, "application/json", b'{"event_id": "1"}')
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", port), Answering)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """The proxy ends connections as it likes."""


class Answering(BaseHTTPRequestHandler):
    """One request to a replica."""

    protocol_version = "HTTP/1.1"
    server: Replica

    def do_GET(self) -> None:
        if self.path == "/-/routes":
            self.say(200, "application/json", json.dumps({"/": self.server.application}).encode())
        else:
            self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(self.headers.get("Authorization", ""))
        self.server.go_on.wait(WAIT_S)
        if self.server.answer == DEATH:
            self.close_connection = True
        else:
            self.say(*self.server.answer)

    def say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Front:
    """A proxy that listens, before replicas that come and go."""

    def __init__(self, folder: Path) -> None:
        self.first = free_range(PORTS)
        self.at = Listening("127.0.0.1", *free_ports(2))
        self.proxy = Proxy(folder / "files", folder / "note", folder / "log")
        self.proxy.write(self.at, range(self.first, self.first + PORTS))
        self.url = f"http://127.0.0.1:{self.at.port}"
        self.living: set[tuple[str, str]] = set()
        self.client = httpx.Client(base_url=self.url, timeout=WAIT_S)

    @contextmanager
    def replica(self, slot: int, application: str = "ingest") -> Iterator[Replica]:
        """One that the proxy knows of."""
        self.living.add((application, f"s{slot}"))
        with Replica(self.first + slot, application) as made:
            assert wait(lambda: self.up() == self.living, WAIT_S)
            yield made
            made.go_on.set()
            made.shutdown()
        self.living.remove((application, f"s{slot}"))

    def up(self) -> set[tuple[str, str]]:
        """Application and slot of each replica that gets requests."""
        told = [each[:2] for each in self.proxy._statistics() if each[17].startswith("UP")]
        return {(name, slot) for name, slot in told if name != "lookups"}

    def post(self, key: str = "k", **given: Any) -> httpx.Response:
        """One event, sent with this key."""
        headers = {"Authorization": f"Bearer {key}"}
        return self.client.post("/v1/sms/events", json={"id": "1"}, headers=headers, **given)


@pytest.fixture
def front(tmp_path: Path, own_ports: None) -> Iterator[Front]:
    with listening(Front(tmp_path)) as found:
        yield found


@contextmanager
def listening(front: Front) -> Iterator[Front]:
    """Its proxy runs."""
    front.proxy.start()
    try:
        with front.client:
            yield front
    finally:
        front.proxy.stop(0.0)


def require_refusal(answer: httpx.Response, code: str) -> None:
    """The answer is this refusal of the proxy, as a problem document."""
    case = refusals("proxy")[code]
    assert (answer.status_code, answer.headers["Content-Type"]) == (case.status, MEDIA_TYPE)
    told = answer.json()
    assert (told["code"], told["title"], told["hint"]) == (case.code, case.title, case.hint)
    assert ("Retry-After" in answer.headers) == (case.status in (429, 503))


def test_without_a_replica_every_address_says_come_back_and_alive_is_alive(front: Front) -> None:
    for path in ("/v1/sms/events", "/readyz", "/query/v1/sql", "/nowhere"):
        require_refusal(front.client.get(path), "no_replica")
    require_refusal(front.post(), "no_replica")
    assert front.client.get("/healthz").json() == {"state": "alive"}


def test_replicas_are_found_by_their_application_whatever_port_they_have(front: Front) -> None:
    with front.replica(2, "query") as query, front.replica(3) as ingest:
        query.answer = (200, "text/csv", b"query")
        ingest.answer = (202, "text/csv", b"ingest")
        assert front.client.get("/query/v1/ledger").text == "query"
        assert front.post().text == "ingest"
        assert front.client.get("/v1/events/1").text == "ingest"
    with front.replica(0) as another:
        another.answer = (202, "text/csv", b"another")
        assert wait(lambda: front.post().text == "another", WAIT_S)


@pytest.mark.parametrize("status", [404, 408, 500, 503])
def test_what_the_server_says_in_its_own_words_becomes_an_answer_that_clients_know(
    front: Front, status: int
) -> None:
    with front.replica(0) as replica:
        replica.answer = (status, "text/plain", b"Internal Server Error")
        require_refusal(front.post(), "no_replica")
        replica.answer = (status, MEDIA_TYPE, b'{"code": "ours"}')
        assert (front.post().status_code, front.post().json()) == (status, {"code": "ours"})


def test_a_replica_that_dies_under_a_request_is_told_as_one_to_send_again(front: Front) -> None:
    with front.replica(0) as replica, ThreadPoolExecutor(1) as pool:
        replica.go_on.clear()
        sent = pool.submit(front.post)
        assert wait(lambda: len(replica.seen) == 1, WAIT_S)
        replica.answer = DEATH
        replica.go_on.set()
        require_refusal(sent.result(), "no_replica")


def test_a_key_with_too_much_under_way_is_refused_and_others_are_not(
    tmp_path: Path, own_ports: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "requests_of_one_key", 3)
    made = Front(tmp_path)
    with listening(made), made.replica(0) as replica, ThreadPoolExecutor(8) as pool:
        replica.go_on.clear()
        waiting = [pool.submit(made.post, "loud") for _ in range(3)]
        assert wait(lambda: replica.seen.count("Bearer loud") == 3, WAIT_S)
        require_refusal(made.post("loud"), "too_many_requests")
        quiet = pool.submit(made.post, "quiet")
        assert wait(lambda: "Bearer quiet" in replica.seen, WAIT_S)
        replica.go_on.set()
        assert {each.result().status_code for each in (*waiting, quiet)} == {202}


def test_of_those_that_wait_a_quiet_key_goes_first(
    tmp_path: Path, own_ports: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "requests_of_one_replica", 1)
    monkeypatch.setattr(module, "QUEUE_S", 60)
    made = Front(tmp_path)
    with listening(made), made.replica(0) as replica, ThreadPoolExecutor(8) as pool:
        replica.go_on.clear()
        waiting = [pool.submit(made.post, "loud")]
        assert wait(lambda: len(replica.seen) == 1, WAIT_S)
        waiting.extend(pool.submit(made.post, "loud") for _ in range(4))
        assert wait(lambda: queued(made) == 4, WAIT_S)
        waiting.append(pool.submit(made.post, "quiet"))
        assert wait(lambda: queued(made) == 5, WAIT_S)
        replica.go_on.set()
        assert {each.result().status_code for each in waiting} == {202}
        assert replica.seen[:2] == ["Bearer loud", "Bearer quiet"]


def queued(front: Front) -> int:
    """How many requests wait for a replica of the ingest door."""
    told = httpx.get(f"http://127.0.0.1:{front.at.metrics_port}/metrics").text
    (line,) = [
        each for each in told.splitlines() if each.startswith('haproxy_backend_current_queue{proxy="ingest"')
    ]
    return int(line.split()[-1])


def test_a_head_that_does_not_end_is_cut(
    tmp_path: Path, own_ports: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD_S", 1)
    made = Front(tmp_path)
    with listening(made), made.replica(0):
        for head in (b"POST /v1/sms/events HTTP/1.1\r\nHost: a\r\n", HALF_A_BODY):
            with socket.create_connection(("127.0.0.1", made.at.port), WAIT_S) as slow:
                slow.sendall(head)
                assert b" 408 " in slow.recv(4_096).partition(b"\r\n")[0]


HALF_A_BODY = b"POST /v1/sms/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"


def test_bytes_that_are_no_request_are_told_so(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.at.port), WAIT_S) as odd:
        odd.sendall(b"\x16\x03\x01 nothing of ours\r\n\r\n")
        assert b" 400 " in odd.recv(4_096).partition(b"\r\n")[0]


def test_turning_to_other_replicas_fails_nobody(front: Front) -> None:
    with ThreadPoolExecutor(4) as pool, front.replica(0) as replica:
        answers: Counter[int] = Counter()
        stop = Event()

        def send() -> None:
            while not stop.is_set():
                answers[front.post().status_code] += 1

        sending = [pool.submit(send) for _ in range(4)]
        for _ in range(5):
            before = len(replica.seen)
            front.proxy.reload()
            assert wait(lambda seen=before: len(replica.seen) > seen + 50, WAIT_S)  # type: ignore[misc]
        stop.set()
        assert [each.result() for each in sending] == [None] * 4
        assert set(answers) == {202}


def test_told_to_drain_it_says_so_to_everybody(front: Front) -> None:
    with front.replica(0):
        front.proxy.write(front.at._replace(closed="draining"), [front.first])
        front.proxy.reload()
        assert wait(lambda: front.post().status_code == 503, WAIT_S)
        require_refusal(front.post(), "draining")


@pytest.mark.parametrize("whom", ["first", "worker"])
def test_one_that_is_killed_or_stopped_does_not_answer_and_starts_again(front: Front, whom: str) -> None:
    process = front.proxy.process
    assert process is not None
    worker = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
    os.kill(process.pid if whom == "first" else int(worker), signal.SIGKILL)
    assert wait(lambda: not front.proxy.answers(0.1), WAIT_S)
    front.proxy.stop(0.0)
    front.proxy.start()
    assert front.client.get("/healthz").is_success


def test_figures_are_for_this_machine_only_and_its_files_for_their_owner(front: Front) -> None:
    assert "haproxy_process" in httpx.get(f"http://127.0.0.1:{front.at.metrics_port}/metrics").text
    assert front.proxy.folder.stat().st_mode & 0o077 == 0


def test_a_second_one_on_a_held_port_does_not_start(front: Front, tmp_path: Path) -> None:
    for held in (front.at.port, front.at.metrics_port):
        for port, metrics_port in ((held, *free_ports(1)), (*free_ports(1), held)):
            other = Proxy(tmp_path / "other", tmp_path / "other.note", tmp_path / "other.log")
            other.write(Listening("127.0.0.1", port, metrics_port), [front.first])
            with pytest.raises(module.Unavailable) as told:
                other.start()
            assert str(held) in str(told.value.hint)
            other.stop(0.0)


def test_a_proxy_that_cannot_start_says_why(tmp_path: Path, own_ports: None) -> None:
    made = Front(tmp_path)
    (made.proxy.folder / "haproxy.cfg").write_text("nothing that it knows\n")
    with pytest.raises(module.Unavailable) as told:
        made.proxy.start()
    assert "unknown keyword" in str(told.value.hint)
    assert last_words(tmp_path / "missing") == ""
