"""What the query door works with on one home: an engine over its tables, its keys, its stored bytes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from catalog.clock import SystemClock
from catalog.control.keys import KeyCache
from catalog.control.originals import OriginalReads
from catalog.control.schema import open_control
from catalog.errors import BadInput
from catalog.lake.commit import Lake
from cluster.home import Home
from cluster.places import Trino as Server
from cluster.places import places
from cluster.settings import Settings
from cluster.wiring import open_history, open_keys
from serve_apps.query.api import Deps
from serve_apps.query.engine.duckdb import DuckDb
from serve_apps.query.engine.port import QueryEngine
from serve_apps.query.views import View

if TYPE_CHECKING:
    from serve_apps.query.engine.connection import Address

KEYS_AGE_S = 2.0
PROCESSES = 3
"""Of the query application, in each replica. A key has one at most, so two that ask much leave one free."""
LOOKUP_PROCESSES = 2
"""Of the look-ups: they are short, and one of them may just be starting anew."""


def build(settings: Settings) -> Deps:
    """Opens everything, in the process that will use it."""
    keys = KeyCache(open_keys(settings).stored, SystemClock(), KEYS_AGE_S)
    keys.refresh_if_old()  # so that they are known should the database be away at the first question
    reads = OriginalReads(open_control(places(settings).control_url), SystemClock())
    lake = partial(Lake, places(settings).lake)
    return Deps(open_engine(settings, PROCESSES), keys, open_history(settings).payload, reads.add, lake)


def build_lookup(settings: Settings) -> QueryEngine:
    """The engine of the senders' look-ups alone, in the process that will use it."""
    return open_engine(settings, LOOKUP_PROCESSES)


def open_engine(settings: Settings, processes: int = 1) -> QueryEngine:
    """Trino where the places name it, else the embedded engine; so many queries at once are worked on.

    Raises BadInput where neither can be: the embedded one reads local files only.
    """
    at = places(settings)
    if at.trino is not None:
        from serve_apps.query.engine.trino import Trino  # whose client takes long to import

        return Trino(_address(at.trino), SystemClock(), processes)
    if not at.is_local:
        raise BadInput("nobody answers SQL here", hint="name Trino in the cluster's file", profile="cluster")
    Home(settings.home).make()
    return DuckDb(Lake(at.lake), SystemClock(), processes=processes)


def apply_views(settings: Settings, wanted: Iterable[View]) -> None:
    """Who may ask what, then the views that are asked, in Trino.

    Raises BadInput where it is not Trino that answers, Unavailable where Trino or the lake's catalog is away:
    then nothing was written.
    """
    at = places(settings)
    if at.trino is None:
        raise BadInput("the embedded engine makes its views itself", hint="BEEJAN_PROFILE=cluster")
    at.trino.require_answer()
    Lake(at.lake).close()
    _write_rules(settings)
    make_views(settings, wanted)


def make_views(settings: Settings, wanted: Iterable[View]) -> None:
    """Make the lake's tables where they are missing, then these views in Trino, where that answers.

    Raises Unavailable.
    """
    at = places(settings)
    if at.trino is None:
        return
    from serve_apps.query.served import apply

    Lake(at.lake).close()
    beside = at.warehouse.rpartition("/")[0]
    apply(_address(at.trino), SystemClock(), f"{beside}/views", wanted)


def _write_rules(settings: Settings) -> None:
    """Trino's access rules of the stack on this machine, if there is one: it reads them within a second."""
    from cluster.stack.stack import FILE, Stack, write_private
    from serve_apps.query.access import document

    if (settings.stack / FILE).exists():
        write_private(Stack.open(settings.stack).rules, document())


def _address(trino: Server) -> Address:
    from serve_apps.query.engine.connection import Address

    return Address(*trino.host_port, trino.certificate, trino.users)
