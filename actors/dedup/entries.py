"""How committed rows become the memory's keys and entries. A row alone says all of it, its place included.

Commit order is (plan, segment, offset) everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.tables import ACCEPTED, DISPOSITIONS

ID_BYTES = 16
SIGNATURE_BYTES = 128

Uint64s = npt.NDArray[np.uint64]


def event_entry(signature: bytes, plan: int, segment: str, offset: int) -> bytes:
    """What is kept of an event that takes part in links: its signature, then its place.

    Places compare as bytes in commit order.
    """
    return signature + plan.to_bytes(8, "big") + segment.encode() + b"\0" + offset.to_bytes(8, "big")


def slices(content: bytes, size: int) -> list[bytes]:
    """`content` cut into pieces of `size` bytes."""
    return [content[i : i + size] for i in range(0, len(content), size)]


def id_keys(hex_ids: Sequence[str]) -> list[bytes]:
    """16-byte keys (or digests) from their 32 hex digits."""
    return slices(bytes.fromhex("".join(hex_ids)), ID_BYTES)


def band_hashes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], Uint64s]:
    """All hashes of a band_hashes column without nulls, and for each the row it belongs to."""
    lists = pa.chunked_array(column).combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    owners = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy(zero_copy_only=False))
    return owners, lists.flatten().to_numpy(zero_copy_only=False).view(np.uint64)


class Overlay:
    """Committed entries that no checkpoint holds yet."""

    def __init__(self) -> None:
        self.ids: dict[bytes, bytes] = {}
        """Event id to payload digest, plan, days since 1970 of the event date, disposition."""
        self.events: dict[bytes, bytes] = {}
        self.buckets: dict[int, bytes] = {}
        """Band hash to the event ids in it, in commit order, one behind the other."""

    def learn(self, rows: pa.Table, limit: int) -> None:
        """Add rows in commit order; a bucket takes up to `limit` bytes."""
        keys = id_keys(rows["event_id"].to_pylist())
        self.ids.update(zip(keys, _id_entries(rows), strict=True))
        linkable = np.array(
            [
                disposition == ACCEPTED and valid
                for disposition, valid in zip(
                    rows["disposition"].to_pylist(), rows["signature"].is_valid().to_pylist(), strict=True
                )
            ],
            dtype=np.bool_,
        )
        events = rows.filter(pa.array(linkable))
        own = [keys[i] for i in np.flatnonzero(linkable)]
        places = (events[name].to_pylist() for name in ("signature", "plan", "segment", "offset"))
        self.events.update(zip(own, map(event_entry, *places), strict=True))
        owners, hashes = band_hashes(events["band_hashes"])
        buckets = self.buckets
        for owner, band in zip(owners.tolist(), hashes.tolist(), strict=True):
            bucket = buckets.get(band, b"")
            if len(bucket) < limit:
                buckets[band] = bucket + own[owner]


def _id_entries(rows: pa.Table) -> list[bytes]:
    entries = np.empty(
        len(rows), dtype=[("digest", "V16"), ("plan", ">i8"), ("date", ">i4"), ("disposition", "u1")]
    )
    digests = bytes.fromhex("".join(rows["payload_digest"].to_pylist()))
    entries["digest"] = np.frombuffer(digests, dtype="V16")
    entries["plan"] = rows["plan"].to_numpy()
    entries["date"] = rows["event_date"].cast(pa.int32()).to_numpy()
    entries["disposition"] = [DISPOSITIONS.index(d) for d in rows["disposition"].to_pylist()]
    return slices(entries.tobytes(), entries.itemsize)
