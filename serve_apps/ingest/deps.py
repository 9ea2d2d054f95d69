"""What the door needs from outside, and its limits. Everything arrives here; the door opens nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from catalog.clock import Clock
from catalog.control.keys import KeyCache
from catalog.log.writer import Writer
from serve_apps.committed import Committed

_KIB, _MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Where the door says no, and how often it looks after itself."""

    body_bytes: int = _MIB
    """The body of one event, as sent and inflated."""
    batch_bytes: int = 16 * _MIB
    """The body of a batch, as sent and inflated."""
    batch_events: int = 10_000
    event_bytes: int = 256 * _KIB
    body_s: float = 30.0
    """How long a body may take to come in: while it does it holds a place among the requests."""
    inflated_ratio: int = 200
    """How many times larger than it was sent a body may get, beyond its first MiB."""
    held_bytes: int = 96 * _MIB
    """Bodies in memory at once, of all requests; more is told to come back. While its events are wrapped
    a body stands in memory three times."""
    source_rate: float = 5_000.0
    """Events a second of one source, on the long run and in one replica."""
    source_burst: float = 20_000.0
    """Events of one source at once, after a rest."""
    remembered_ids: int = 50_000
    """Ids whose digest is kept to tell their second use with other bytes."""
    lookup_s: float = 15.0
    """How long the look-up of one event may take."""
    lookups: int = 16
    """Look-ups of events at once."""
    upkeep_s: float = 1.0
    """Seconds between two looks at the age of segment and keys."""


class Deps(NamedTuple):
    """Everything the door works with."""

    writer: Writer
    keys: KeyCache
    clock: Clock
    bundle: Callable[[], str]
    """The bundle in force, as its hash."""
    lookup: Callable[[str], Awaitable[Committed | None]]
    """What became of an event id; raises BeejanError when the warehouse does not say."""
    hint: Callable[[], None]
    """Says that something is new; must not block, and may be lost."""
    limits: Limits = Limits()
