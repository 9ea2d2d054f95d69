"""A lake in a temporary home, rows to put into it, and a process that dies where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from catalog import failpoints
from catalog.lake.commit import Lake
from catalog.lake.store import LakePlace, local
from catalog.tables import EVENTS, LEDGER
from tests.places import on_servers

CHANNELS = ("call_centre", "sms", "social", "web_form")
DAY = date(2026, 1, 2)


class Crash(BaseException):
    """The end of a process: nothing catches it."""


@contextmanager
def crash_at(name: str, hit: int = 1) -> Iterator[None]:
    """Let the process die at the k-th pass of a failpoint."""
    passed = 0

    def die(point: str) -> None:
        nonlocal passed
        passed += point == name
        if passed == hit and point == name:
            raise Crash

    failpoints.observe(die)
    with pytest.raises(Crash):
        yield
    failpoints.observe(None)


@contextmanager
def at(name: str, do: Callable[[], object]) -> Iterator[None]:
    """Let another process act while this one stands at a failpoint, at its first pass."""
    done = False

    def act(point: str) -> None:
        nonlocal done
        if point == name and not done:
            done = True
            do()

    failpoints.observe(act)
    yield
    failpoints.observe(None)
    assert done, f"{name} was never passed"


def events(plan: int, count: int, day: date = DAY, channels: int = 4) -> pa.Table:
    """Rows of one plan, over the channels in turn."""
    when = datetime.combine(day, time(12), UTC)
    return pa.Table.from_pylist(
        [
            {
                "event_id": f"{plan:08x}{offset:024x}",
                "id_origin": "provider",
                "channel": CHANNELS[offset % channels],
                "source": "shop",
                "event_time": when,
                "event_date": day,
                "received_at": when,
                "processed_at": when,
                "text": f"no network since {offset} days",
                "disposition": "accepted",
                "payload_digest": f"{offset:032x}",
                "signature": bytes(range(128)),
                "band_hashes": [plan, offset],
                "plan": plan,
                "segment": "s1",
                "offset": offset,
                "contract": "core/1",
                "bundle": "b1",
                "code_version": "0",
            }
            for offset in range(count)
        ],
        schema=EVENTS.arrow_schema,
    )


def ledger(plan: int) -> pa.Table:
    """The ledger's rows of one plan."""
    when = datetime.combine(DAY, time(12), UTC)
    numbers = {"received": 4, "accepted": 3, "duplicate": 0, "quarantined": 0, "redelivered": 1}
    return pa.Table.from_pylist(
        [{"plan": plan, "channel": each, **numbers, "processed_at": when} for each in CHANNELS],
        schema=LEDGER.arrow_schema,
    )


def chain(n: int) -> str:
    """The chain of plan n."""
    return f"c{n}" if n else ""


def put(lake: Lake, n: int, rows: pa.Table | None = None, table: str = EVENTS.name) -> bool:
    """Commit plan n with these rows, or eight of its own; True when it was committed before."""
    rows = events(n, 8) if rows is None else rows
    return lake.commit(table, n, rows, chain(n - 1), chain(n), {"sms": {"accepted": n, "duplicate": 0}})


class Disk:
    """What somebody else does to the files of a lake, wherever they are."""

    def __init__(self, lake: Lake) -> None:
        self._files = lake.store.files

    def read(self, path: str) -> bytes:
        with self._files.new_input(path).open() as stream:
            return bytes(stream.read())

    def write(self, path: str, content: bytes) -> None:
        with self._files.new_output(path).create(overwrite=True) as stream:
            stream.write(content)

    def remove(self, path: str) -> None:
        self._files.delete(path)

    def exists(self, path: str) -> bool:
        return self._files.new_input(path).exists()

    def rows(self, path: str) -> pa.Table:
        """Of a Parquet file."""
        return parquet.ParquetFile(pa.BufferReader(self.read(path))).read()

    def put_rows(self, path: str, rows: pa.Table) -> None:
        """A Parquet file in place of the one before."""
        sink = pa.BufferOutputStream()
        parquet.write_table(rows, sink)
        self.write(path, sink.getvalue().to_pybytes())


ON_FILES = pytest.mark.parametrize("place", ["files"], indirect=True)
"""For what is so on local disk only."""


@pytest.fixture(params=["files", "servers"])
def place(request: pytest.FixtureRequest, home: Path) -> LakePlace:
    """SQLite and local files, or PostgreSQL and S3."""
    return local(home) if request.param == "files" else on_servers(request.getfixturevalue("stack")).lake


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def lake(place: LakePlace) -> Iterator[Lake]:
    lake = Lake(place)
    yield lake
    lake.close()


@pytest.fixture
def disk(lake: Lake) -> Disk:
    return Disk(lake)


@pytest.fixture
def rival(place: LakePlace, lake: Lake) -> Iterator[Lake]:
    """The same lake, opened by another process."""
    rival = Lake(place)
    yield rival
    rival.close()


@pytest.fixture(autouse=True)
def _disarm() -> Iterator[None]:
    yield
    failpoints.arm("")
    failpoints.observe(None)
