"""Dedup: what is a redelivery, what a conflict, and which earlier text an event is nearly the same as.

Deciding plan n reads what plans before n left and changes nothing; the memory moves when n is committed.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.dedup.config import DedupConfig
from actors.dedup.entries import id_keys
from actors.dedup.links import Linker, Similarities
from actors.dedup.memory import Memory, Position
from actors.dedup.rows import decided
from catalog import failpoints, ids
from catalog.errors import MemoryBehind

REMEMBERED = [
    *("event_id", "payload_digest", "disposition", "event_date", "event_time", "signature", "band_hashes"),
    *("customer_key", "region", "cluster_id"),
    *("plan", "segment", "offset"),
]
"""The columns of a committed row that `Dedup.catch_up` needs."""


class Decision(NamedTuple):
    """What a plan's batch becomes.

    `rows` has the batch's columns and order without the redelivered events; a conflict's row has an id of
    its own; the columns disposition, reason, linked_to, link_kind, similarity, cluster_id, bridges and
    conflicts_with are decided. `redelivered` counts the events without a row, by channel.

    An event is linked to an earlier near-duplicate, and inherits its cluster; one that is the same complaint
    is a duplicate. An event without a link begins a cluster, which bears its id.
    """

    rows: pa.Table
    redelivered: dict[str, int]


class _Identity(NamedTuple):
    """Rows to keep by index, the original ids of those in conflict, and the channels of the redelivered."""

    kept: list[int]
    conflicts: dict[int, str]
    redelivered: Counter[str]


class Dedup:
    """The stateful stage. Calls come one at a time, from one thread of the process that built it.

    A fresh object stands at its checkpoint and raises MemoryBehind until it has caught up.
    """

    def __init__(self, config: DedupConfig, similarities: Similarities) -> None:
        """Raises WrongVersion when another version of the product wrote the memory."""
        self._memory = Memory(config.state_dir / "memory", config.bucket_limit)
        self._linker = Linker(config, similarities, self._memory)
        self._pending: tuple[int, pa.Table] | None = None

    def position(self) -> Position:
        """The last committed plan that is known, and the chain up to it."""
        return self._memory.position

    def decide(self, n: int, batch: pa.Table) -> Decision:
        """Decide plan n's batch, which has the EVENTS columns that the pure stages fill; what plan n left
        before, if it was decided already, is forgotten.

        The rows stand in the plan's order: of one id the first is the event, and later ones with other bytes
        conflict with it. For links, earlier in the batch means by (segment, offset), as for committed rows.
        Raises MemoryBehind (`have`, `need`) unless exactly the plans before n are known.
        """
        self.drop(n)
        self._expect(n - 1)
        order: list[int] = pc.sort_indices(
            batch, sort_keys=[("segment", "ascending"), ("offset", "ascending")]
        ).to_pylist()
        identity = self._identify(batch)
        linkable = _linkable(batch, identity, order)
        links = self._linker.links(batch.take(pa.array(linkable, pa.int64())))
        by_index = {linkable[row]: link for row, link in links.items()}
        rows = decided(batch, identity.kept, identity.conflicts, by_index)
        plans = pa.array(np.full(len(rows), n), pa.int64())
        self._pending = (n, rows.append_column("plan", plans).select(REMEMBERED))
        return Decision(rows, dict(sorted(identity.redelivered.items())))

    def promote(self, n: int, chain: str) -> None:
        """Plan n is committed as it was decided here last; safe to repeat."""
        if self.position() == (n, chain):
            return
        self._expect(n - 1)
        if self._pending is None or self._pending[0] != n:
            raise self._behind(n)
        self._memory.learn(self._pending[1], Position(n, chain))
        self._pending = None
        failpoints.hit("dedup.promoted")

    def drop(self, n: int) -> None:
        """Forget what deciding plan n or a later one left."""
        if self._pending is not None and self._pending[0] >= n:
            self._pending = None

    def checkpoint(self) -> None:
        """Make the committed entries durable. Raises MemoryBehind when another process wrote the checkpoint
        meanwhile, or it was damaged: nothing is lost that `catch_up` does not bring back."""
        self._memory.checkpoint()

    def catch_up(self, rows: pa.Table, after: int, seq: int, chain: str) -> None:
        """Learn the rows (columns REMEMBERED, any order) of the plans committed after `after` up to `seq`,
        whose chain is `chain`; rows of other plans are passed over, undecided commits dropped.

        Raises MemoryBehind unless the memory stands at `after`: were it restarted since it was asked, plans
        would be left out.
        """
        self._expect(after)
        self._pending = None
        plan = rows["plan"]
        news = pc.and_(pc.greater(plan, after), pc.less_equal(plan, seq))
        self._memory.learn(rows.select(REMEMBERED).filter(news), Position(seq, chain))

    def reset(self) -> None:
        """Know nothing, durably; `catch_up` from plan 1 restores everything."""
        self._pending = None
        self._memory.reset()

    def close(self) -> None:
        """Let go of the files. What was committed since the checkpoint is caught up by the next object."""
        self._memory.close()

    def _expect(self, seq: int) -> None:
        if self.position().seq != seq:
            raise self._behind(seq)

    def _behind(self, need: int) -> MemoryBehind:
        return MemoryBehind(
            "the memory of ids does not stand where this plan needs it",
            hint="catch up from the table; if it knows more than the table, reset it first",
            have=self.position().seq,
            need=need,
        )

    def _identify(self, batch: pa.Table) -> _Identity:
        """Tell new events from redeliveries and conflicts, in the order of the rows."""
        names, sources, channels = (batch[c].to_pylist() for c in ("event_id", "source", "channel"))
        payloads: list[str] = batch["payload_digest"].to_pylist()
        keys, digests = id_keys(names), id_keys(payloads)
        known = self._memory.digests(list(set(keys)))
        kept: list[int] = []
        conflicts: dict[int, str] = {}
        redelivered: Counter[str] = Counter()
        for i, (key, digest) in enumerate(zip(keys, digests, strict=True)):
            if known.get(key, digest) != digest:
                conflicts[i] = ids.conflict_id(sources[i], names[i], payloads[i])
                key = bytes.fromhex(conflicts[i])
                known.update(() if key in known else self._memory.digests([key]))
            if key in known:
                redelivered[channels[i]] += 1
                conflicts.pop(i, None)
                continue
            known[key] = digest
            kept.append(i)
        return _Identity(kept, conflicts, redelivered)


def _linkable(batch: pa.Table, identity: _Identity, order: list[int]) -> list[int]:
    """Rows that will be accepted and have a text, in commit order."""
    able = pc.and_(batch["reason"].is_null(), batch["signature"].is_valid()).to_pylist()
    kept = set(identity.kept).difference(identity.conflicts)
    return [i for i in order if able[i] and i in kept]
