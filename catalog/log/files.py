"""Segment files in a folder: names, locks, reads that outlast bad sectors, and how a segment is sealed.

<segment>.log       live, or left by a writer that died    <segment>.durable   its durable offset
<segment>.sealed    complete, never written again          .<segment>.tmp      being created
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import Literal

from catalog import failpoints
from catalog.durable import make_folders, sync_folder
from catalog.log import mounts
from catalog.log.frames import FOOTER_BYTES, Codec, Footer, Mark, encode_mark

LIVE: Literal[".log"] = ".log"
SEALED: Literal[".sealed"] = ".sealed"
MARK: Literal[".durable"] = ".durable"
FILE_MODE = 0o600
SEGMENT_FILE = re.compile(r"(seg-[0-9a-f]{32})(\.log|\.sealed)")
HIDDEN_FILE = re.compile(r"\.(seg-[0-9a-f]{32})\.tmp")
MARK_FILE = re.compile(r"(seg-[0-9a-f]{32})\.durable")

_PAGE_BYTES = 4096


def new_name() -> str:
    """A segment name that was never used before and never will be again."""
    return f"seg-{secrets.token_hex(16)}"


def hidden_path(root: Path, segment: str) -> Path:
    """Where a segment is created, before any reader may list it."""
    return root / f".{segment}.tmp"


def prepare(root: Path) -> None:
    """Create and sync a log's folder where it is missing. Raises UnsafeStore on a network file system."""
    make_folders(root, root.parent)
    mounts.refuse_network(root)


def lock(fd: int) -> bool:
    """Take the lock of an open file for as long as it stays open; False when somebody else holds it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_at(fd: int, content: bytes, offset: int) -> None:
    """Write all of it or raise OSError; a full disk may take a part and report no error."""
    if os.pwrite(fd, content, offset) != len(content):
        raise OSError(errno.ENOSPC, "short write")


def read_strictly(fd: int, offset: int, size: int) -> bytes:
    """As `read_at`, for whoever may cut: what the device cannot read now raises OSError, it is not gone."""
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(fd, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Up to `size` bytes; fewer at the end of the file. Pages the device cannot read come back as zeros,
    so that what stands behind them is still found; their checksums tell."""
    parts = []
    while size > 0:
        try:
            part = os.pread(fd, size, offset)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            part = _read_page(fd, offset, size)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_page(fd: int, offset: int, size: int) -> bytes:
    wanted = min(size, _PAGE_BYTES - offset % _PAGE_BYTES, max(0, os.fstat(fd).st_size - offset))
    try:
        return os.pread(fd, wanted, offset)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return bytes(wanted)


def open_mark(root: Path, segment: str) -> int:
    """A descriptor to publish a segment's durable offset through."""
    return os.open(root / f"{segment}{MARK}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)


def publish(mark_fd: int, segment: str, mark: Mark) -> None:
    """Say how far a segment is durable. Not synced: after a power cut recovery scans instead."""
    write_at(mark_fd, encode_mark(segment, mark), 0)


def seal(root: Path, segment: str, fd: int, codec: Codec, end: int, footer: Footer) -> None:
    """Close a segment for ever; the caller holds its lock and everything before `end` is synced.

    Every step may be repeated, and recovery goes on from whichever was the last.
    """
    # 1. The footer, durable: a crash before leaves a torn tail, after it a segment that is complete.
    write_at(fd, codec.encode_footer(footer), end)
    os.fdatasync(fd)
    # 2. The durable offset over the footer, so that damage to the footer is not taken for a torn tail.
    mark_fd = open_mark(root, segment)
    try:
        publish(mark_fd, segment, Mark(end + FOOTER_BYTES, footer.frames))
    finally:
        os.close(mark_fd)
    failpoints.hit("log.footer")
    # 3. The name.
    finish_seal(root, segment)


def finish_seal(root: Path, segment: str) -> None:
    """Give a complete live segment its sealed name."""
    (root / f"{segment}{LIVE}").rename(root / f"{segment}{SEALED}")
    sync_folder(root)
    failpoints.hit("log.sealed")
    (root / f"{segment}{MARK}").unlink(missing_ok=True)


def remove(root: Path, segment: str, suffix: Literal[".log", ".sealed"]) -> None:
    """Remove a segment and sync the removal; nothing happens when it is gone already."""
    (root / f"{segment}{suffix}").unlink(missing_ok=True)
    sync_folder(root)
    (root / f"{segment}{MARK}").unlink(missing_ok=True)
