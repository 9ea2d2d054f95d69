"""Band -> bucket -> candidate: which earlier events share a band with each event of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pyarrow as pa

from actors.dedup.entries import ID_BYTES, band_hashes, slices
from actors.dedup.memory import Memory


def candidates(
    memory: Memory, bucket_limit: int, keys: list[bytes], bands: pa.ChunkedArray
) -> Iterator[tuple[int, set[bytes]]]:
    """For each event, by row, the earlier ones that share a bucket with it, where there are any.

    `keys` and `bands` (a band_hashes column) are the plan's events in commit order. A bucket holds the last
    `bucket_limit` events that came before, of this plan too: so an event has at most that many candidates
    for each of its bands, however often a template is sent.
    """
    owners, hashes = band_hashes(bands)
    distinct, slots, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    buckets = memory.buckets(distinct)
    is_known = np.fromiter(map(buckets.__contains__, distinct.tolist()), np.bool_, len(distinct))
    picked = ((counts > 1) | is_known)[slots]
    limit = bucket_limit * ID_BYTES
    pairs = zip(owners[picked].tolist(), hashes[picked].tolist(), strict=True)
    for row, group in groupby(pairs, key=lambda pair: pair[0]):
        # The buckets of a template are all the same: what is done for one is done for all.
        grown: dict[bytes, bytes] = {}
        for _, band in group:
            bucket = buckets.get(band, b"")
            if bucket not in grown:
                grown[bucket] = (bucket + keys[row])[-limit:]
            buckets[band] = grown[bucket]
        found: set[bytes] = set()
        for bucket in grown:
            found.update(slices(bucket, ID_BYTES))
        found.discard(keys[row])
        if found:
            yield row, found
