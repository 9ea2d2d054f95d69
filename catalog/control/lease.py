"""One holder at a time, between machines: a row in the control database, timed by the database's own clock.

A holder that was stopped and wakes may work beside its successor until its next beat tells it: whatever a
lease guards must be safe with two at once, as plans and commits are.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine, func, or_, update
from sqlalchemy.dialects.postgresql import insert

from catalog.control import schema
from catalog.errors import BeejanError, Unavailable

BEAT_S = 1.0
SILENT_S = 15.0
"""Without a beat for so long, a holder has lost its lease; longer than any pause of a loaded machine."""

log = logging.getLogger(__name__)


class RowLease:
    """The lease `name` of a deployment; PostgreSQL only. See `actors.sequencer.lease.Lease`."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._holder = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"
        self._ended = threading.Event()
        self._lost = threading.Event()

    def acquire(self, pause: Callable[[float], object], give_up: Callable[[], bool]) -> bool:
        """Wait until the row is ours; also while the database does not answer. False where `give_up` ended
        the wait. Raises Stopped when the database refuses for good."""
        while not self._take():
            if give_up():
                return False
            pause(BEAT_S)
        self._lost.clear()
        self._ended.clear()
        threading.Thread(target=self._keep_beating, daemon=True, name="lease").start()
        return True

    def is_lost(self) -> bool:
        """Whether the last beat found another holder."""
        return self._lost.is_set()

    def release(self) -> None:
        """Let the next one in; it waits a little longer when the database does not answer."""
        self._ended.set()
        try:
            self._set(holder="")
        except BeejanError as trouble:
            log.warning("the lease was not given back: %s", trouble)

    def _take(self) -> bool:
        row, mine = schema.leases.c, {"holder": self._holder, "beat_at": func.now()}
        bound = timedelta(seconds=SILENT_S)
        # From the future is the last beat of one that died before the clock was set back.
        silent = or_(row.beat_at < func.now() - bound, row.beat_at > func.now() + bound)
        free = or_(row.holder.in_(("", self._holder)), silent)
        # One statement that looks and takes: of two that ask at once, the second sees the first one's row.
        taken = insert(schema.leases).values(name=self._name, **mine)
        taken = taken.on_conflict_do_update(index_elements=[row.name], set_=mine, where=free)
        try:
            with schema.transaction(self._engine) as connection:
                return connection.scalar(taken.returning(row.name)) is not None
        except Unavailable:
            return False

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                if not self._set(beat_at=func.now()):
                    return self._lost.set()
            except BeejanError:
                continue  # the next beat may get through

    def _set(self, **values: object) -> bool:
        """Change the row while it is ours; False when it is not."""
        row = schema.leases.c
        ours = update(schema.leases).where(row.name == self._name, row.holder == self._holder)
        with schema.transaction(self._engine) as connection:
            return bool(connection.execute(ours.values(values)).rowcount)
