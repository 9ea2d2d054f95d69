"""Looks up single events for their senders, apart from analysts' queries: nobody waits behind the other."""

from __future__ import annotations

from asyncio import to_thread

from serve_apps.committed import Committed
from serve_apps.query.engine.port import Limits, QueryEngine

FIND = (
    "SELECT source, disposition, reason, reason_field, plan AS commit_seq, received_at "
    "FROM events WHERE event_id = ?"
)


class Lookup:
    """Finds events by id, with an engine of its own."""

    def __init__(self, engine: QueryEngine) -> None:
        self.engine = engine

    async def find(self, event_id: str) -> Committed | None:
        """What became of an event; None while nothing is known. Raises what the engine raises."""
        found = await to_thread(self.engine.query, FIND, [event_id], "operations", Limits(rows=1))
        return next((Committed(**row) for row in found.table.to_pylist()), None)
