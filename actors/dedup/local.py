"""The memory of ids without any runtime: in the sequencer's own process."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from actors.dedup.dedup import Decision, Dedup


class LocalDedup(Dedup):
    """Dedup whose batches are worked out when it decides them."""

    def decide(self, n: int, pending: Callable[[], pa.Table]) -> Decision:
        """See `Dedup.decide`; what working the batch out raises goes to the caller."""
        return super().decide(n, pending())
