"""The query door under Ray Serve."""

from __future__ import annotations

from ray import serve

from serve_apps.query.door import Door

MAX_ONGOING, MAX_QUEUED = 16, 64


@serve.deployment(max_ongoing_requests=MAX_ONGOING, max_queued_requests=MAX_QUEUED)
class QueryDoor(Door):
    """See `Door`; bound with the function that opens what it needs."""

    def __del__(self) -> None:
        self._deps.engine.close()
