"""What a look-up of one event gives, as a plain value that one replica sends to another."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Committed(NamedTuple):
    """What the warehouse knows of one event."""

    source: str
    disposition: str
    reason: str | None
    reason_field: str | None
    commit_seq: int
    received_at: datetime | None = None
    """When the door received the bytes that stand there."""
