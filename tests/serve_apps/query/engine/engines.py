"""The engines that the behaviour suite runs on: a new one becomes one more line of ENGINES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from catalog.clock import SystemClock
from catalog.lake.commit import Lake
from catalog.lake.store import local
from serve_apps.query.engine.duckdb import DuckDb
from serve_apps.query.engine.port import QueryEngine

MEMORY_BYTES = 64 << 20


def duckdb(home: Path) -> DuckDb:
    """One process of DuckDB over the lake of a home."""
    return DuckDb(Lake(local(home)), SystemClock(), memory_bytes=MEMORY_BYTES, processes=1)


ENGINES: dict[str, Callable[[Path], QueryEngine]] = {"duckdb": duckdb}
