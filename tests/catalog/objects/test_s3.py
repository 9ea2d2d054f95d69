"""A bucket: refusals and silence become errors of ours, without secrets."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from catalog.errors import BadInput, BeejanError, NotDurable, Permanent, Unavailable
from catalog.objects.port import Objects
from catalog.objects.s3 import S3, Place
from tests.catalog.objects.backends import place

READS: list[Callable[[Objects], object]] = [
    lambda objects: objects.get("a"),
    lambda objects: list(objects.list("")),
    lambda objects: objects.folders(""),
    lambda objects: objects.delete(["a"]),
]
WRITES: list[Callable[[Objects], object]] = [
    lambda objects: objects.put("a", b"1"),
    lambda objects: objects.create("a", b"1"),
]


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Place:
    return place(request)


def refused(objects: Objects, act: Callable[[Objects], object], error: type[BeejanError]) -> None:
    with pytest.raises(error) as raised:
        act(objects)
    told = f"{raised.value!r} {raised.value} {raised.value.__cause__} {raised.value.__suppress_context__}"
    assert "wrong-secret" not in told
    assert told.endswith("None True")


@pytest.mark.parametrize("act", [*READS, *WRITES])
def test_a_wrong_secret_is_permanent(here: Place, act: Callable[[Objects], object]) -> None:
    refused(S3(dataclasses.replace(here, secret="wrong-secret")), act, Permanent)


def test_a_missing_bucket_is_not_an_absent_object(here: Place) -> None:
    refused(
        S3(dataclasses.replace(here, url="s3://no-such-bucket/x")), lambda there: there.get("a"), Permanent
    )


@pytest.mark.parametrize(("acts", "error"), [(READS, Unavailable), (WRITES, NotDurable)])
def test_a_dead_server_is_told_in_time(
    acts: list[Callable[[Objects], object]], error: type[BeejanError]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held, so that no other program listens there
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        objects = S3(Place("s3://bucket/x", address, "us-east-1", "key", "wrong-secret"))
        objects._pause = lambda _: None
        for act in acts:
            refused(objects, act, error)


class Skewed(BaseHTTPRequestHandler):
    """Refuses everything, as a store does whose clock is far from the one that signed."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = b"<Error><Code>RequestTimeTooSkewed</Code><Message>too far</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("acts", "error"), [(READS, Unavailable), (WRITES, NotDurable)])
def test_a_clock_that_is_wrong_is_waited_for(
    acts: list[Callable[[Objects], object]], error: type[BeejanError]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Skewed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        objects = S3(Place("s3://bucket/x", address, "us-east-1", "key", "wrong-secret"))
        objects._pause = lambda _: None
        for act in acts:
            refused(objects, act, error)
        server.shutdown()


def test_the_environment_has_no_say(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert S3(here).create("a", b"1")


def test_the_secret_is_in_no_text() -> None:
    there = Place("s3://bucket/x", "", "us-east-1", "key", "wrong-secret")
    assert "wrong-secret" not in f"{there} {there!r} {there.within('y')!r}"
    assert there.within("y").url == "s3://bucket/x/y"


@pytest.mark.parametrize("url", ["", "bucket", "http://bucket", "s3:///x"])
def test_only_a_bucket_is_an_address(url: str) -> None:
    with pytest.raises(BadInput):
        S3(Place(url, "", "us-east-1", "key", "s"))
