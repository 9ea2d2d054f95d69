"""Undo a content coding in bounded pieces: what inflates beyond its limit is never made whole."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import zstandard

from serve_apps.ingest.refusals import refused

CODINGS = ("gzip", "zstd")
_PIECE_BYTES = 64 * 1024
_ZSTD_SLICE_BYTES = 256
"""Three bytes of zstd make 128 KiB, and its decoder knows no limit: so it gets little at a time."""
_WINDOW_BYTES = 8 * 1024 * 1024
_ANY_RATIO_BYTES = 1024 * 1024
"""Below this a high ratio says nothing: short texts of one template reach it."""


def inflate(
    coding: str, body: bytes, limit_bytes: int, limit_ratio: int, take: Callable[[int], None]
) -> bytes:
    """The body without its coding; `take` is told the size of each piece before it is kept.

    Raises Refused: 400 when it cannot be inflated, 413 beyond the limits.
    """
    pieces = _gzip(body) if coding == "gzip" else _zstd(body)
    kept, size_bytes = [], 0
    for piece in pieces:
        size_bytes += len(piece)
        if size_bytes > limit_bytes or (
            size_bytes > _ANY_RATIO_BYTES and size_bytes > limit_ratio * len(body)
        ):
            raise refused("inflates_too_much", f"limits: {limit_bytes} bytes and {limit_ratio} to 1")
        take(len(piece))
        kept.append(piece)
    return b"".join(kept)


def _gzip(body: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    try:
        for part in _slices(body, _PIECE_BYTES):
            if stream.eof:
                raise refused("coding_unreadable", "bytes behind the end")
            while piece := stream.decompress(part, _PIECE_BYTES):
                yield piece
                part = stream.unconsumed_tail
    except zlib.error:
        raise refused("coding_unreadable") from None
    _require_end(stream.eof, stream.unused_data)


def _zstd(body: bytes) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()
    try:
        for part in _slices(body, _ZSTD_SLICE_BYTES):
            yield stream.decompress(part)
    except zstandard.ZstdError:
        raise refused("coding_unreadable") from None
    _require_end(stream.eof, stream.unused_data)


def _require_end(is_ended: bool, behind: bytes) -> None:
    if not is_ended or behind:
        raise refused("coding_unreadable", "bytes behind the end" if behind else "it ends early")


def _slices(body: bytes, size_bytes: int) -> Iterator[bytes]:
    return (body[at : at + size_bytes] for at in range(0, len(body), size_bytes))
