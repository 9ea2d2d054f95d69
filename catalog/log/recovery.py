"""Taking over a segment whose writer is gone: what is a torn tail, what is corruption, and the steps."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

from catalog import failpoints
from catalog.log import files
from catalog.log.files import LIVE
from catalog.log.frames import FOOTER_BYTES, HEADER_BYTES, Codec, Footer
from catalog.log.reader import SegmentReader, corrupt


class Found(NamedTuple):
    """What stands in a file: `frames` up to `end`, and behind that a torn tail, if the file is longer."""

    end: int
    frames: int


def recover_file(
    root: Path, segment: str, fd: int, durable: int | None, given_up: AbstractSet[int]
) -> int | None:
    """Seal a live segment, of which the caller holds the lock; the offset its frames end at.

    `durable` is the published durable offset (0 where nothing is known), None where it is damaged: then
    nothing may be cut. None is returned for a segment without frames: it is removed. Raises CorruptFrame.
    """
    # 1. What can still reach the disk does; then everything is read from the disk itself: after a failed
    #    sync the cache may show frames that are not there.
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    size = os.fstat(fd).st_size
    codec = Codec(files.read_strictly(fd, 0, HEADER_BYTES))
    if size > HEADER_BYTES and not codec.is_salt_known and HEADER_BYTES not in given_up:
        raise corrupt(segment, HEADER_BYTES)  # without the salt no frame can be told from a torn one
    reader = SegmentReader(segment, codec, lambda offset, n: files.read_strictly(fd, offset, n))
    # 2. A footer: the writer died between completing the segment and naming it.
    if size >= HEADER_BYTES + FOOTER_BYTES:
        complete_at = size - FOOTER_BYTES
        if codec.decode_footer(files.read_at(fd, complete_at, FOOTER_BYTES)) is not None:
            _frames_of(reader, complete_at, None, given_up)
            files.finish_seal(root, segment)
            return complete_at
    # 3. The frames; what is behind them is cut unless it may have been durable.
    found = _frames_of(reader, size, durable, given_up)
    if found.end < size:
        os.ftruncate(fd, found.end)
        failpoints.hit("log.cut")
        os.fsync(fd)
    # 4. As its writer would have sealed it.
    if found.frames == 0:
        files.remove(root, segment, LIVE)
        return None
    footer = Footer(found.frames, reader.digest(found.end))
    files.seal(root, segment, fd, codec, found.end, footer)
    return found.end


def _frames_of(reader: SegmentReader, size: int, durable: int | None, given_up: AbstractSet[int]) -> Found:
    """Raises CorruptFrame for a bad frame that was durable: below the durable offset, or with a readable one
    of a later group behind it, since a group is written only when the one before it is durable."""
    frames, end, bad = 0, size, None
    for offset, body in reader.walk(HEADER_BYTES, size):
        if bad is not None:
            if body is not None and reader.group_start(offset) > bad:
                raise corrupt(reader.segment, bad)
        elif body is None and offset not in given_up:
            bad = offset
        else:
            frames += 1
    if bad is not None:
        if durable is None or bad < durable:
            raise corrupt(reader.segment, bad)
        end = bad
    missing_from = max(size, HEADER_BYTES)
    if size < max(durable or 0, HEADER_BYTES) and missing_from not in given_up:
        raise corrupt(reader.segment, missing_from)
    return Found(end, frames)
