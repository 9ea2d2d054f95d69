"""What a replica does beside requests: it seals idle segments by age, reads keys anew, and drains."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from catalog.errors import BeejanError, NotDurable
from serve_apps.ingest.deps import Deps
from serve_apps.ingest.door import Door

log = logging.getLogger(__name__)


@asynccontextmanager
async def tended(deps: Deps, door: Door) -> AsyncIterator[None]:
    """Looks after the door while it is open; afterwards takes nothing more and seals the segment.

    Whoever runs the door stops sending to it, and lets what is under way finish, before this ends.
    """
    told = _tell(await asyncio.to_thread(deps.keys.refresh_if_old), None)
    tending = asyncio.create_task(_tend(deps, told))
    try:
        yield
    finally:
        door.is_draining = True
        tending.cancel()
        with suppress(asyncio.CancelledError):
            await tending
        try:
            await deps.writer.close()
        except NotDurable as error:
            log.warning("a segment was left for recovery: %s", error)


async def _tend(deps: Deps, told: BeejanError | None) -> None:
    while True:
        await asyncio.sleep(deps.limits.upkeep_s)
        try:
            told = await _turn(deps, told)
        except Exception as error:  # noqa: BLE001 - upkeep that ended would leave a door with old keys
            log.error("upkeep of the door failed and goes on: %s", type(error).__name__)


async def _turn(deps: Deps, told: BeejanError | None) -> BeejanError | None:
    try:
        await deps.writer.probe()
        await deps.writer.roll_if_old()
    except NotDurable as error:
        log.warning("a segment was left for recovery: %s", error)
    return _tell(await asyncio.to_thread(deps.keys.refresh_if_old), told)


def _tell(failure: BeejanError | None, told: BeejanError | None) -> BeejanError | None:
    """Once for each time the database goes silent."""
    if failure is not None and told is None:
        log.warning("keys cannot be read; those known stay in force, revocations wait: %s", failure)
    return failure
