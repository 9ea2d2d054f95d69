"""The engines that the behaviour suite runs on: a new one becomes one more line of GROUNDS."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from catalog.clock import SystemClock
from catalog.lake.commit import Lake
from catalog.lake.store import LakePlace, local
from cluster.stack.stack import Stack
from cluster.waiting import alone
from serve_apps.query.engine import connection
from serve_apps.query.engine.connection import Address
from serve_apps.query.engine.duckdb import DuckDb
from serve_apps.query.engine.port import Limits, QueryEngine
from serve_apps.query.engine.trino import Trino
from serve_apps.query.served import apply
from serve_apps.query.views import views

MEMORY_BYTES = 128 << 20
CATALOG = "lake"
PATIENCE_S = 110.0
"""Less than after which the server of a stack ends a query by itself."""


class Ground(NamedTuple):
    """An empty lake, and how to open an engine over it. Whatever is done with either is done in a `turn`."""

    place: LakePlace
    open: Callable[[], QueryEngine]
    turn: Callable[[], AbstractContextManager[None]] = nullcontext


def duckdb(place: LakePlace, processes: int = 1) -> DuckDb:
    """DuckDB over a lake, in one process or more."""
    return DuckDb(Lake(place), SystemClock(), memory_bytes=MEMORY_BYTES, processes=processes)


def address(stack: Stack) -> Address:
    """Trino of the stack."""
    return Address(stack.trino_host, stack.ports.trino, str(stack.certificate), stack.users)


def trino(stack: Stack) -> Trino:
    """Trino, warm: a server that just started compiles before it answers."""
    engine = Trino(address(stack), SystemClock(), processes=1)
    engine.query("SELECT * FROM events", (), "analyst", Limits())
    return engine


@contextmanager
def patience() -> Iterator[None]:
    """A machine that does much else answers late, and that is no fault: whoever names no time has much."""
    defaults = Limits._field_defaults | {"seconds": PATIENCE_S}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Limits.__new__, "__defaults__", tuple(defaults.values()))
        patch.setattr(connection, "CONNECT_S", PATIENCE_S)
        patch.setattr(connection, "READ_S", PATIENCE_S)
        yield


@contextmanager
def on_files(request: pytest.FixtureRequest, folder: Path) -> Iterator[Ground]:
    """A folder, and DuckDB."""
    place = local(folder)
    with patience():
        yield Ground(place, lambda: duckdb(place))


@contextmanager
def on_servers(request: pytest.FixtureRequest, folder: Path) -> Iterator[Ground]:
    """The real servers: a lake that Trino knows during its turns; between them it has another name."""
    stack: Stack = request.getfixturevalue("stack")
    keys = stack.keys.pipeline
    files = {
        "s3.endpoint": stack.s3_endpoint,
        "s3.region": stack.region,
        "s3.access-key-id": keys.access_key,
        "s3.secret-access-key": keys.secret_key,
    }
    name = secrets.token_hex(6)
    place = LakePlace(stack.database("catalog"), f"{stack.warehouse}/{name}", files)
    turn = partial(turn_of, stack, name)
    with patience():
        with turn():
            Lake(place).close()
            apply(address(stack), SystemClock(), f"{stack.views}/{name}", views().values())
        yield Ground(place, lambda: trino(stack), turn)


@contextmanager
def turn_of(stack: Stack, name: str) -> Iterator[None]:
    """While this lake is the one that Trino knows: others, also of other processes, wait for their turn."""
    with alone(Path(stack.folder, "run", "lake.lock")):
        _rename(stack, CATALOG, f"{name}-before")
        _rename(stack, name, CATALOG)
        try:
            yield
        finally:
            _rename(stack, CATALOG, name)
            _rename(stack, f"{name}-before", CATALOG)


def _rename(stack: Stack, before: str, after: str) -> None:
    url = stack.database("catalog").replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("iceberg_tables", "iceberg_namespace_properties"):
            connection.execute(
                f"UPDATE {table} SET catalog_name = %s WHERE catalog_name = %s",
                (after, before),
            )


GROUNDS: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Ground]]] = {
    "duckdb": on_files,
    "trino": on_servers,
}
