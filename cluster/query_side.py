"""What the query door works with on one home: an engine over its tables, its keys, its stored bytes."""

from __future__ import annotations

from catalog.clock import SystemClock
from catalog.control.keys import KeyCache
from catalog.errors import BadInput
from catalog.lake.commit import Lake
from cluster.home import Home
from cluster.places import places
from cluster.settings import Settings
from cluster.wiring import open_history, open_keys
from serve_apps.query.api import Deps
from serve_apps.query.engine.duckdb import DuckDb

KEYS_AGE_S = 2.0


def build(settings: Settings) -> Deps:
    """Opens everything, in the process that will use it."""
    keys = KeyCache(open_keys(settings).stored, SystemClock(), KEYS_AGE_S)
    return Deps(open_engine(settings), keys, open_history(settings).payload)


def open_engine(settings: Settings) -> DuckDb:
    """The embedded engine over the tables of a home. Raises BadInput under another profile: it reads local
    files only."""
    at = places(settings)
    if not at.is_local:
        raise BadInput("here SQL is not answered by the embedded engine", hint="ask Trino", profile="cluster")
    Home(settings.home).make()
    return DuckDb(Lake(at.lake), SystemClock())
