"""Which earlier event a text is nearly the same as: band -> bucket -> candidate -> verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actors.dedup.config import DedupConfig
from actors.dedup.entries import (
    ID_BYTES,
    SIGNATURE_BYTES,
    Uint64s,
    band_hashes,
    event_entry,
    id_keys,
    slices,
)
from actors.dedup.memory import Memory

Similarities = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], npt.NDArray[np.float64]]
"""Estimated similarity, 0 to 1, of each row of one array of signatures (n, 128) with that row of another."""

_PAIRS = 1 << 16
"""Candidate pairs compared at once, to bound memory."""


class Link(NamedTuple):
    """The verdict on one event: its best earlier near-duplicate, by 16-byte id."""

    similarity: float
    linked_to: bytes


class _Pairs(NamedTuple):
    """Events, by row, and beside each the id of an earlier one to compare it with."""

    rows: list[int]
    candidates: list[bytes]


class Linker:
    """Finds the links of one plan's events; reads the memory, changes nothing."""

    def __init__(self, config: DedupConfig, similarities: Similarities, memory: Memory) -> None:
        self._config = config
        self._similarities = similarities
        self._memory = memory

    def links(self, n: int, events: pa.Table) -> dict[int, Link]:
        """The best earlier near-duplicate of each event that has one; `events` are in commit order."""
        keys = id_keys(events["event_id"].to_pylist())
        parts = (events[name].to_pylist() for name in ("signature", "segment", "offset"))
        own = {
            key: event_entry(signature, n, segment, offset)
            for key, signature, segment, offset in zip(keys, *parts, strict=True)
        }
        links: dict[int, Link] = {}
        pairs = _Pairs([], [])
        for row, candidates in self._candidates(keys, *band_hashes(events["band_hashes"])):
            pairs.rows.extend([row] * len(candidates))
            pairs.candidates.extend(candidates)
            if len(pairs.rows) >= _PAIRS:
                links.update(self._verdicts(keys, own, pairs))
                pairs = _Pairs([], [])
        if pairs.rows:
            links.update(self._verdicts(keys, own, pairs))
        return links

    def _candidates(
        self, keys: list[bytes], owners: npt.NDArray[np.int64], hashes: Uint64s
    ) -> Iterator[tuple[int, set[bytes]]]:
        """For each event, by row, the earlier ones that share a bucket with it."""
        bands, slots, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        buckets = self._memory.buckets(bands)
        shared = (counts > 1) | np.fromiter((b in buckets for b in bands.tolist()), np.bool_, len(bands))
        picked = shared[slots]
        limit = self._config.bucket_limit * ID_BYTES
        # The buckets of a template are asked for again and again.
        members = lru_cache(maxsize=4096)(partial(slices, size=ID_BYTES))
        pairs = zip(owners[picked].tolist(), hashes[picked].tolist(), strict=True)
        for row, group in groupby(pairs, key=lambda pair: pair[0]):
            contents = set()
            for _, band in group:
                bucket = buckets.get(band, b"")
                contents.add(bucket)
                if len(bucket) < limit:
                    buckets[band] = bucket + keys[row]
            candidates: set[bytes] = set().union(*map(members, contents))
            candidates.discard(keys[row])
            if candidates:
                yield row, candidates

    def _verdicts(self, keys: list[bytes], own: dict[bytes, bytes], pairs: _Pairs) -> dict[int, Link]:
        """The most similar candidate of each row, the earliest among equals, if it reaches the threshold."""
        wanted = set(pairs.candidates)
        entries = self._memory.events([key for key in wanted if key not in own])
        entries.update((key, own[key]) for key in wanted if key in own)
        ranked = sorted(entries, key=lambda key: entries[key][SIGNATURE_BYTES:])
        rank_of = {key: rank for rank, key in enumerate(ranked)}
        rows = np.array(pairs.rows)
        ranks = np.array([rank_of[candidate] for candidate in pairs.candidates])
        distinct, slots = np.unique(rows, return_inverse=True)
        left = _matrix([own[keys[row]] for row in distinct.tolist()])
        similarity = self._similarities(left[slots], _matrix([entries[key] for key in ranked])[ranks])
        order = np.lexsort((ranks, -similarity, rows))
        best = order[np.unique(rows[order], return_index=True)[1]]
        return {
            int(rows[i]): Link(float(similarity[i]), ranked[ranks[i]])
            for i in best
            if similarity[i] >= self._config.threshold
        }


def _matrix(entries: list[bytes]) -> npt.NDArray[np.uint8]:
    content = b"".join(entry[:SIGNATURE_BYTES] for entry in entries)
    return np.frombuffer(content, dtype=np.uint8).reshape(len(entries), SIGNATURE_BYTES)
