"""The served views on the SQL server, made as their contract says."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.clock import Clock
from serve_apps.query.access import OWNER
from serve_apps.query.engine.connection import Address, Watched, meant, opened
from serve_apps.query.engine.port import never
from serve_apps.query.engine.trino import FAILURES, rows
from serve_apps.query.guard import SERVED
from serve_apps.query.views import View

SECONDS = 60.0
ANSWER_BYTES = 16 << 20


def apply(address: Address, clock: Clock, location: str, wanted: Iterable[View]) -> None:
    """Make or replace views as their owner, and a schema of them at `location` if there is none; repeatable.

    The lake's tables must be there. Raises Unavailable.
    """
    with Watched(clock, SECONDS, ANSWER_BYTES, never) as session:
        try:
            connection = opened(address, OWNER, session)
            rows(connection, f"CREATE SCHEMA IF NOT EXISTS {SERVED} WITH (location = '{location}')")
            for view in wanted:
                said = f"{view.meaning} ({view.name}/{view.version}, {view.owner})".replace("'", "''")
                made = f"CREATE OR REPLACE VIEW {SERVED}.{view.name} COMMENT '{said}' SECURITY DEFINER"
                rows(connection, f"{made} AS {view.sql}")
        except FAILURES as error:
            raise meant(error) from None
