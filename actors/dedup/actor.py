"""The memory of ids as a Ray actor, as the sequencer uses it.

A restarted actor has run its constructor and nothing else: it stands at its checkpoint, says so by raising
MemoryBehind, and catches up from the table. Ray repeats no call: each carries its plan's number.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import ray
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError

from catalog.errors import BeejanError, Unavailable


class RayMemory:
    """Calls the actor; raises Unavailable while it is down or restarting, and where rows were lost."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def decide(self, n: int, batch: ray.ObjectRef[pa.Table]) -> tuple[pa.Table, dict[str, int]]:
        """See `Dedup.decide`; the batch goes from worker to memory without passing through here."""
        rows, redelivered = self._call("decide", n, batch)
        return rows, redelivered

    def drop(self, n: int) -> None:
        """See `Dedup.drop`."""
        self._call("drop", n)

    def promote(self, n: int, chain: str) -> None:
        """See `Dedup.promote`."""
        self._call("promote", n, chain)

    def checkpoint(self) -> None:
        """See `Dedup.checkpoint`."""
        self._call("checkpoint")

    def position(self) -> tuple[int, str]:
        """See `Dedup.position`."""
        seq, chain = self._call("position")
        return seq, chain

    def reset(self) -> None:
        """See `Dedup.reset`."""
        self._call("reset")

    def catch_up(self, rows: pa.Table, after: int, seq: int, chain: str) -> None:
        """See `Dedup.catch_up`."""
        self._call("catch_up", rows, after, seq, chain)

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._actor, name).remote(*arguments))
        except ObjectLostError:  # those it was given, or those it answered with
            raise Unavailable("rows went down with a machine", hint="their plan is worked on again") from None
        except RayTaskError as failure:
            if isinstance(failure.cause, BeejanError):
                raise failure.cause from None
            raise
        except RayActorError:
            raise Unavailable("the memory of ids is down", hint="waiting until it is restarted") from None
