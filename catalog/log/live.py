"""A live segment on local disk: created, locked, grown group by group, sealed or abandoned."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path

from catalog import failpoints
from catalog.clock import Clock
from catalog.durable import sync_folder
from catalog.errors import NotDurable
from catalog.log import files
from catalog.log.files import LIVE
from catalog.log.frames import HEADER_BYTES, Codec, Footer, Mark, encode_header
from catalog.log.writer import WriterConfig

_CLOSED = -1
_open_segments: weakref.WeakSet[LiveSegment] = weakref.WeakSet()
_opening = threading.Lock()


@cache
def _guard_forks() -> None:
    """Let no child keep a lock after its parent died: it closes what it inherited, once per process."""
    os.register_at_fork(
        before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_close_in_child
    )


def _close_in_child() -> None:
    _opening.release()
    for segment in list(_open_segments):
        segment.abandon()


class LiveSegment:
    """The writer's end of one file. After any error it must be abandoned: never synced again."""

    is_full = False

    def __init__(self, root: Path, clock: Clock) -> None:
        """Create a segment that is locked, durable and listed. Raises OSError, maybe halfway."""
        _guard_forks()
        self._root = root
        self.name = files.new_name()
        self.opened_s = clock.elapsed_s()
        self.frames = 0
        self._fd = self._mark_fd = _CLOSED
        try:
            self._create(clock.now_us())
        except BaseException:  # whatever it was, nobody may write to a half-made segment
            self.abandon()
            raise

    def _create(self, now_us: int) -> None:
        hidden = files.hidden_path(self._root, self.name)
        header = encode_header(secrets.token_bytes(16), now_us)
        # 1. A file no reader lists, and its lock: nobody may find it before it is locked.
        with _opening:
            _open_segments.add(self)
            self._fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, files.FILE_MODE)
        if not files.lock(self._fd):
            raise NotDurable("a new segment was locked by another process", hint="try again")
        # 2. Its header, durable.
        files.write_at(self._fd, header, 0)
        os.fsync(self._fd)
        failpoints.hit("log.created")
        # 3. Its durable offset, before the name, so that a listed segment has one.
        with _opening:
            self._mark_fd = files.open_mark(self._root, self.name)
        self.size_bytes = HEADER_BYTES
        self._codec = Codec(header)
        self._digest = hashlib.sha256(header)
        files.publish(self._mark_fd, self.name, Mark(self.size_bytes, 0))
        # 4. Its name, durable before its first acknowledgement.
        hidden.rename(self._root / f"{self.name}{LIVE}")
        failpoints.hit("log.named")
        sync_folder(self._root)

    def append(self, bodies: list[bytes]) -> None:
        """Return once a group is durable and published. Raises OSError."""
        group = self._codec.encode(bodies)
        files.write_at(self._fd, group, self.size_bytes)
        failpoints.hit("log.written")
        os.fdatasync(self._fd)
        failpoints.hit("log.synced")
        self._digest.update(group)
        self.size_bytes += len(group)
        self.frames += len(bodies)
        files.publish(self._mark_fd, self.name, Mark(self.size_bytes, self.frames))
        failpoints.hit("log.published")

    def seal(self) -> None:
        """Close it for ever; one without frames is removed. Raises OSError."""
        if self.frames:
            footer = Footer(self.frames, self._digest.digest())
            files.seal(self._root, self.name, self._fd, self._codec, self.size_bytes, footer)
        else:
            files.remove(self._root, self.name, LIVE)
        self.abandon()

    def abandon(self) -> None:
        """Let go of it as it is; with the file goes its lock, and recovery may take it."""
        for fd in (self._fd, self._mark_fd):
            if fd != _CLOSED:
                # A close that reports a late write error has closed all the same.
                with suppress(OSError):
                    os.close(fd)
        self._fd = self._mark_fd = _CLOSED
        _open_segments.discard(self)


def require_room(root: Path, config: WriterConfig) -> None:
    """Raises NotDurable when the log's disk is almost full."""
    disk = os.statvfs(root)
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < config.min_free_bytes:
        raise NotDurable(
            "the log's disk is almost full",
            hint="free space on it; nothing was acknowledged without a receipt",
            free_bytes=free_bytes,
            min_free_bytes=config.min_free_bytes,
        )
