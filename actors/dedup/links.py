"""Candidate -> verdict: which earlier event a text is nearly the same as, and the cluster they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actors.dedup.candidates import candidates
from actors.dedup.config import DedupConfig
from actors.dedup.entries import TRAITS, Traits, id_keys, traits
from actors.dedup.memory import Memory
from catalog.clock import DAY_US

Similarities = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], npt.NDArray[np.float64]]
"""Estimated similarity, 0 to 1, of each row of one array of signatures (n, 128) with that row of another."""

_PAIRS = 1 << 16
"""Candidate pairs compared at once, to bound memory."""

Int64s = npt.NDArray[np.int64]


class Link(NamedTuple):
    """The verdict on one event: the earlier one it is linked to, how, and which clusters meet in it.

    `cluster` is that of `linked_to`, `bridges` are the others it could belong to, sorted; all 16-byte ids.
    """

    linked_to: bytes
    is_same_complaint: bool
    similarity: float
    cluster: bytes
    bridges: list[bytes]


class _Plan(NamedTuple):
    """The plan's events in commit order, beginning with clusters of their own."""

    keys: list[bytes]
    traits: Traits


class _Pairs(NamedTuple):
    """Events, by row, and beside each the id of an earlier one to compare it with."""

    rows: list[int]
    candidates: list[bytes]


class _Near(NamedTuple):
    """Pairs that passed: places in a list in commit order, how similar, and whether the same complaint."""

    events: Int64s
    candidates: Int64s
    similarity: npt.NDArray[np.float64]
    is_same: npt.NDArray[np.bool_]


class Linker:
    """Finds the links of one plan's events; reads the memory, changes nothing."""

    def __init__(self, config: DedupConfig, similarities: Similarities, memory: Memory) -> None:
        self._config = config
        self._similarities = similarities
        self._memory = memory

    def links(self, events: pa.Table) -> dict[int, Link]:
        """The link of each event that has one, by row; `events` are in commit order."""
        names = events["event_id"].to_pylist()
        plan = _Plan(id_keys(names), traits(events, names))
        links: dict[int, Link] = {}
        pairs = _Pairs([], [])
        limit, bands = self._config.bucket_limit, events["band_hashes"]
        for row, found in candidates(self._memory, limit, plan.keys, bands):
            pairs.rows.extend([row] * len(found))
            pairs.candidates.extend(found)
            if len(pairs.rows) >= _PAIRS:
                links.update(self._verdicts(plan, pairs))
                pairs = _Pairs([], [])
        if pairs.rows:
            links.update(self._verdicts(plan, pairs))
        return links

    def _verdicts(self, plan: _Plan, pairs: _Pairs) -> dict[int, Link]:
        """The links among whole rows of pairs; the clusters of these rows are settled in `plan`."""
        own = set(plan.keys)
        earlier = self._memory.events([key for key in set(pairs.candidates) if key not in own])
        ranked = sorted(earlier, key=lambda key: earlier[key][TRAITS.itemsize :])
        first = len(ranked)
        known = np.frombuffer(b"".join(earlier[key][: TRAITS.itemsize] for key in ranked), TRAITS)
        ranked += plan.keys
        rank_of = {key: rank for rank, key in enumerate(ranked)}
        every = np.concatenate([known, plan.traits])
        ranks = np.array([rank_of[candidate] for candidate in pairs.candidates])
        near = self._near(every, np.array(pairs.rows) + first, ranks)
        # A same complaint first, then the most similar, then the earliest.
        order = np.lexsort((near.candidates, -near.similarity, ~near.is_same, near.events))
        best = order[np.unique(near.events[order], return_index=True)[1]].tolist()
        clusters = every["cluster"]
        for i in best:  # in commit order: a candidate's cluster is settled before it is inherited
            clusters[near.events[i]] = clusters[near.candidates[i]]
        plan.traits["cluster"] = clusters[first:]
        bridges = _bridges(near, clusters)
        return {
            int(near.events[i]) - first: Link(
                ranked[near.candidates[i]],
                bool(near.is_same[i]),
                float(near.similarity[i]),
                clusters[near.events[i]].tobytes(),
                sorted(bridges.get(int(near.events[i]), ())),
            )
            for i in best
        }

    def _near(self, every: Traits, events: Int64s, candidates: Int64s) -> _Near:
        """Of pairs of events, those that are near-duplicates."""
        config = self._config
        times = every["event_time_us"]
        apart_us = np.abs(times[events] - times[candidates])
        inside = apart_us <= config.window_days * DAY_US
        events, candidates, apart_us = events[inside], candidates[inside], apart_us[inside]
        signatures = every["signature"]
        similarity = self._similarities(signatures[events], signatures[candidates])
        alike = similarity >= config.threshold
        events, candidates, apart_us = events[alike], candidates[alike], apart_us[alike]
        customers, regions = every["customer"], every["region"]
        here, there = regions[events], regions[candidates]
        is_same = (
            (customers[events] == customers[candidates])
            & (customers[events] != 0)
            & ((here == there) | (here == 0) | (there == 0))
            & (apart_us <= config.same_complaint_days * DAY_US)
        )
        return _Near(events, candidates, similarity[alike], is_same)


def _bridges(near: _Near, clusters: npt.NDArray[np.void]) -> dict[int, set[bytes]]:
    """By event, the clusters of its near-duplicates that are not its own."""
    found: dict[int, set[bytes]] = defaultdict(set)
    other = np.flatnonzero(clusters[near.events] != clusters[near.candidates])
    for event, candidate in zip(near.events[other].tolist(), near.candidates[other].tolist(), strict=True):
        found[event].add(clusters[candidate].tobytes())
    return found
