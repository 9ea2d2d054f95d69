"""MinHash: what a text's shingles are, its signature and its bands, and how alike two signatures are.

The values are those of datasketch 2.0's `affine32` scheme (seed 1, 128 permutations) over a 32-bit
shingle hash of our own: the scheme is part of what the table stores, so it never changes in place.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PERMUTATIONS = 128
SHINGLE = 5
"""Code points in one shingle."""
BANDS, ROWS_PER_BAND = 16, 8
"""A pair of Jaccard similarity s shares a band with probability 1 - (1 - s^8)^16:
0.24 at s = 0.6, 0.61 at 0.7, 0.95 at 0.8, 0.99988 at 0.9."""

_GROUP = 1 << 16
"""Code points hashed at once, so that a permutation's pass stays in the processor's cache."""
_PAD = "\0"

Uint8s = npt.NDArray[np.uint8]
Uint32s = npt.NDArray[np.uint32]
Uint64s = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]


def _permutations() -> tuple[list[np.uint32], list[np.uint32]]:
    random = np.random.RandomState(1)
    factors = random.randint(0, 1 << 31, PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return list(factors), list(random.randint(0, 1 << 32, PERMUTATIONS, dtype=np.uint32))


_FACTORS, _SUMMANDS = _permutations()
# By how many of 128 low bytes agree: the agreement that chance alone (1 in 256) gives is taken out.
_SIMILARITIES: Float64s = np.clip(
    (np.arange(PERMUTATIONS + 1) / PERMUTATIONS - 1 / 256) / (1 - 1 / 256), 0.0, 1.0
)


class Signatures(NamedTuple):
    """One entry per text, null where there is no text.

    `signature` (large_binary) holds the low byte of each of the 128 MinHash values, `band_hashes`
    (large_list<int64>) one hash per band over the band's index and its full 32-bit values.
    """

    signature: pa.Array
    band_hashes: pa.Array


def normalise(text: str) -> str:
    """The form that is compared: NFKC, case folded, each run of white space one space, none at the ends."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def signatures(texts: pa.Array | Sequence[str | None]) -> Signatures:
    """Signature and band hashes of every text; null for a null text and one without any character.

    Depends on each text alone, not on its neighbours.
    """
    given = texts if isinstance(texts, Sequence) else texts.to_pylist()
    forms = [normalise(text) if text else "" for text in given]
    values = minhashes([form for form in forms if form])
    present = np.fromiter(map(bool, forms), dtype=np.bool_, count=len(forms))
    slots = pa.array(np.cumsum(present) - 1, mask=~present)
    low = pa.py_buffer(np.ascontiguousarray(values.astype(np.uint8)))
    return Signatures(
        signature=pa.Array.from_buffers(pa.binary(PERMUTATIONS), len(values), [None, low])
        .cast(pa.large_binary())
        .take(slots),
        band_hashes=pa.LargeListArray.from_arrays(
            pa.array(np.arange(len(values) + 1) * BANDS),
            pa.array(_bands(values).ravel()),
            type=pa.large_list(pa.field("element", pa.int64(), nullable=False)),
        ).take(slots),
    )


def minhashes(forms: Sequence[str]) -> Uint32s:
    """The 128 MinHash values of each normalised, non-empty text, as an array (len(forms), 128)."""
    found = np.empty((PERMUTATIONS, len(forms)), dtype=np.uint32)
    first = 0
    for group in _groups(forms):
        hashes, starts = _shingle_hashes(group)
        hashes, permuted = _mix(hashes), np.empty_like(hashes)
        last = first + len(group)
        for k in range(PERMUTATIONS):
            np.multiply(hashes, _FACTORS[k], out=permuted)
            np.add(permuted, _SUMMANDS[k], out=permuted)
            np.minimum.reduceat(permuted, starts, out=found[k, first:last])
        first = last
    return np.ascontiguousarray(found.T)


def similarities(left: Uint8s, right: Uint8s) -> Float64s:
    """Estimated Jaccard similarity, 0 to 1, of each row of `left` with that row of `right`, both (n, 128)."""
    agreeing: npt.NDArray[np.int64] = np.count_nonzero(left == right, axis=1)
    return np.take(_SIMILARITIES, agreeing)


def _groups(forms: Sequence[str]) -> Iterator[list[str]]:
    """Cut into runs of about `_GROUP` code points; a longer text is a group of its own."""
    ends = itertools.accumulate(max(len(form), SHINGLE) for form in forms)
    for _, run in itertools.groupby(zip(forms, ends, strict=True), key=lambda pair: pair[1] // _GROUP):
        yield [form for form, _ in run]


def _shingle_hashes(forms: Sequence[str]) -> tuple[Uint32s, npt.NDArray[np.int64]]:
    """Hashes of the shingles of all texts, one after the other, and where each text's begin."""
    padded = [form.ljust(SHINGLE, _PAD) for form in forms]
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    windows = len(points) - SHINGLE + 1
    hashes = np.zeros(windows, dtype=np.uint32)
    for i in range(SHINGLE):
        hashes += points[i : i + windows]
        hashes *= np.uint32(0x9E3779B1)
        hashes ^= hashes >> np.uint32(15)
    inside = np.ones(len(points), dtype=np.bool_)
    inside[(np.cumsum(lengths)[:, None] - np.arange(1, SHINGLE)).ravel()] = False
    counts = lengths - SHINGLE + 1
    return hashes[inside[:windows]], np.cumsum(counts) - counts


def _mix(hashes: Uint32s) -> Uint32s:
    """MurmurHash3's 32-bit finalizer: a bijection that spreads structured input."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))


def _bands(values: Uint32s) -> npt.NDArray[np.int64]:
    """One 64-bit hash per band and text: an array (n, BANDS). The band's index is its seed."""
    words: Uint64s = values.astype("<u4").view("<u8").reshape(len(values), BANDS, ROWS_PER_BAND // 2)
    hashes = np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), words.shape[:2])
    for i in range(words.shape[2]):
        hashes = (hashes ^ words[:, :, i]) * np.uint64(0x9E3779B97F4A7C15)
        hashes = hashes ^ (hashes >> np.uint64(32))
    hashes = hashes * np.uint64(0xD6E8FEB86659FD93)
    hashes = hashes ^ (hashes >> np.uint64(32))
    return hashes.view(np.int64)
