"""What a home's supervisor knows, in files: for `status`, and for the supervisor that comes after it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from cluster.home import Home
from cluster.stack.stack import write_private

KEPT_OUTAGES = 50
HEARTBEAT, READY = "heartbeat", "ready"
"""Files in a generation's folder: touched as long as its driver turns; there once the doors answer."""
HEARTBEAT_S = 10.0
"""A supervisor that has written nothing for this long is silent."""


class Outage(msgspec.Struct):
    """One thing that failed: what, since when, until when (None: still), in seconds since 1970."""

    what: str
    since: float
    until: float | None = None
    what_was_done: str = ""


class Life(msgspec.Struct):
    """One generation of Ray: its number, the folder of its temporary files, its ports."""

    number: int
    folder: str
    first_port: int
    ports: int
    proxy_port: int
    started: float
    is_ready: bool = False
    ending: float | None = None
    """When it was told to end."""


class Record(msgspec.Struct):
    """Everything. `wanted` is `up`, or `down` once somebody ended it on purpose."""

    wanted: str = "down"
    pid: int = 0
    heartbeat: float = 0.0
    proxy_folder: str = ""
    metrics_port: int = 0
    lives: list[Life] = []
    outages: list[Outage] = []

    def begin(self, what: str, done: str = "") -> None:
        """Note that something failed, once."""
        if all(each.what != what or each.until for each in self.outages):
            self.outages.append(Outage(what, time.time(), None, done))
            del self.outages[:-KEPT_OUTAGES]

    def finish(self, what: str) -> None:
        """Note that it is as it should be."""
        for each in self.outages:
            if each.what == what and each.until is None:
                each.until = time.time()

    @property
    def open_outages(self) -> list[Outage]:
        """What failed and has not come back."""
        return [each for each in self.outages if each.until is None]

    @property
    def is_silent(self) -> bool:
        """Whether the supervisor has said nothing for long."""
        return time.time() - self.heartbeat > HEARTBEAT_S


class Files(NamedTuple):
    """Where a home's supervisor keeps what."""

    state: Path

    @property
    def record(self) -> Path:
        return self.state / "supervisor.json"

    @property
    def proxy_note(self) -> Path:
        return self.state / "run" / "proxy"

    @property
    def proxy_log(self) -> Path:
        return self.state / "proxy.log"

    def note(self, number: int) -> Path:
        """Names the leader of a generation."""
        return self.state / "run" / f"generation-{number}"

    def log(self, number: int) -> Path:
        """What a generation says; two of them may be at work at once."""
        return self.state / f"generation-{number % 2}.log"

    def read(self) -> Record:
        """What is known; an empty record when there is none, or one that nobody can read."""
        with suppress(FileNotFoundError, msgspec.MsgspecError):
            return msgspec.json.decode(self.record.read_bytes(), type=Record)
        return Record()

    def write(self, record: Record) -> None:
        """Keep it, whole or not at all."""
        write_private(self.record, msgspec.json.encode(record))


def files(home: Home) -> Files:
    """Of one home."""
    return Files(home.state.absolute())


def last_words(log: Path) -> str:
    """Why a process ended, as its log says; empty when it does not."""
    try:
        lines = log.read_bytes()[-16_384:].decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    ours = [line.removeprefix("beejan: ") for line in lines if line.startswith("beejan:")]
    return next(iter([*ours[-1:], *(line for line in lines if "ALERT" in line)]), "")
