"""How committed rows become the memory's keys and entries. A row alone says all of it, its place included.

Commit order is (plan, segment, offset) everywhere.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.tables import ACCEPTED, DISPOSITIONS, DUPLICATE

ID_BYTES = 16

Uint64s = npt.NDArray[np.uint64]
Traits = npt.NDArray[np.void]
"""One element per event, of the type TRAITS."""

TRAITS = np.dtype(
    [
        *(("signature", "u1", (128,)), ("event_time_us", "<i8"), ("customer", "<u8"), ("region", "<u8")),
        ("cluster", "V16"),
    ]
)
"""What an event is compared by. `customer` and `region` are hashes, 0 where unknown; `cluster` is an id."""


def traits(events: pa.Table, clusters: Sequence[str]) -> Traits:
    """The traits of events with a signature and an event time, given the hex id of each one's cluster."""
    found = np.empty(len(events), TRAITS)
    signatures = b"".join(events["signature"].to_pylist())
    found["signature"] = np.frombuffer(signatures, np.uint8).reshape(found["signature"].shape)
    found["event_time_us"] = events["event_time"].cast(pa.int64()).to_numpy()
    found["customer"] = _hashes(events["customer_key"].to_pylist())
    found["region"] = _hashes(events["region"].to_pylist())
    found["cluster"] = np.frombuffer(bytes.fromhex("".join(clusters)), "V16")
    return found


def event_entries(events: pa.Table) -> list[bytes]:
    """What is kept of committed events that take part in links: their traits, then their place.

    Places compare as bytes in commit order.
    """
    bare = slices(traits(events, events["cluster_id"].to_pylist()).tobytes(), TRAITS.itemsize)
    places = (events[name].to_pylist() for name in ("plan", "segment", "offset"))
    return [
        own + plan.to_bytes(8, "big") + segment.encode() + b"\0" + offset.to_bytes(8, "big")
        for own, plan, segment, offset in zip(bare, *places, strict=True)
    ]


def slices(content: bytes, size: int) -> list[bytes]:
    """`content` cut into pieces of `size` bytes."""
    return [piece for (piece,) in struct.iter_unpack(f"{size}s", content)]


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
        """Band hash to the last event ids that came into it, in commit order, one behind the other."""

    def learn(self, rows: pa.Table, limit: int) -> None:
        """Add rows in commit order; a bucket keeps `limit` bytes."""
        keys = id_keys(rows["event_id"].to_pylist())
        self.ids.update(zip(keys, _id_entries(rows), strict=True))
        linking = pc.is_in(rows["disposition"], pa.array([ACCEPTED, DUPLICATE], pa.large_string()))
        linking = pc.and_(linking, rows["signature"].is_valid())
        events = rows.filter(linking)
        own = id_keys(events["event_id"].to_pylist())
        self.events.update(zip(own, event_entries(events), strict=True))
        owners, hashes = band_hashes(events["band_hashes"])
        buckets = self.buckets
        for owner, band in zip(owners.tolist(), hashes.tolist(), strict=True):
            before = buckets.get(band)
            buckets[band] = own[owner] if before is None else (before + own[owner])[-limit:]


def _hashes(values: Sequence[str | None]) -> list[int]:
    known = {value: _hash(value) for value in set(values)}
    return [known[value] for value in values]


def _hash(value: str | None) -> int:
    if value is None:
        return 0
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


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
