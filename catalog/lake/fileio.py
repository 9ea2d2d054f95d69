"""File I/O for tables that makes every file durable before anybody can name it.

pyiceberg never syncs what it writes, while the catalog's database syncs the swap that names it: after a
power cut the catalog would name local files that are empty or gone. An object is durable when its store
answers, which it does when the stream is closed.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem, S3FileSystem
from pyiceberg.io import (
    S3_ACCESS_KEY_ID,
    S3_ENDPOINT,
    S3_REGION,
    S3_SECRET_ACCESS_KEY,
    WAREHOUSE,
)
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from catalog import failpoints
from catalog.durable import sync_folder
from catalog.errors import Unavailable

BUFFER_BYTES = 1 << 20
CONNECT_S, REQUEST_S, ATTEMPTS = 5.0, 20.0, 3
"""How long an object store may take, and how often it is asked. Asking again writes the same bytes."""
OF_THE_STORE = "AWS Error "
"""How errors begin that are the store's own, in a class that a damaged file's errors have, too."""


@contextmanager
def answering() -> Iterator[None]:
    """An object store's errors of network and server become Unavailable; what is said of the object, and all
    that a local disk says, stays as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        _, found, words = str(error).partition(OF_THE_STORE)
        if not found:
            raise
        cause = words.partition(":")[0]
        raise Unavailable("the object store does not answer", hint="wait and retry", cause=cause) from None


class _Folders:
    """Which folders are known to this process to be durable in their parents.

    That a folder exists proves nothing: whoever made it may have died before syncing its parent.
    """

    def __init__(self) -> None:
        self._durable: set[Path] = set()
        self._lock = threading.Lock()

    def make(self, folder: Path) -> None:
        """Create `folder` and its parents where missing; they are durable only after `sync`."""
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        with self._lock:
            self._durable.difference_update(missing)
        for each in reversed(missing):
            each.mkdir(exist_ok=True)

    def sync(self, folder: Path, root: Path) -> None:
        """Make the names in `folder` durable, and its own name and its parents' up to `root`."""
        sync_folder(folder)
        synced = set()
        while folder != root and folder.is_relative_to(root) and folder not in self._durable:
            sync_folder(folder.parent)
            synced.add(folder)
            folder = folder.parent
        # Only now: marking a folder before its parents would let others skip parents that then fail.
        with self._lock:
            self._durable |= synced


_FOLDERS = _Folders()


class _SyncedRaw(io.FileIO):
    """The file below the buffer: closing it is what makes it durable."""

    def __init__(self, path: Path, mode: str, root: Path) -> None:
        self._syncing = False
        self._path, self._root = path, root
        super().__init__(path, mode)
        self._syncing = True

    def close(self) -> None:
        """Sync, close, then sync the names. An error leaves a file that nobody may name."""
        if self.closed:
            return
        try:
            if self._syncing:
                # Once only: a second sync after a failed one would report success without being true.
                self._syncing = False
                failpoints.hit("file.written")
                os.fdatasync(self.fileno())
                failpoints.hit("file.synced")
                _FOLDERS.sync(self._path.parent, self._root)
        finally:
            super().close()


class SyncedFile(PyArrowFile):
    """A local file that is written through a buffer and durable once its stream is closed."""

    root: Path

    def create(self, overwrite: bool = False) -> Any:
        """A binary stream; raises FileExistsError where the file is there and `overwrite` is False."""
        path = Path(self._path)
        _FOLDERS.make(path.parent)
        return io.BufferedWriter(_SyncedRaw(path, "wb" if overwrite else "xb", self.root), BUFFER_BYTES)


class _SentRaw(io.RawIOBase):
    """The object below the buffer: closing it is what makes it durable, and visible at all."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._stream.write(content)
        return len(content)

    def close(self) -> None:
        if self.closed:
            return
        try:
            failpoints.hit("file.written")
            self._stream.close()
            failpoints.hit("file.synced")
        finally:
            super().close()


class SentFile(PyArrowFile):
    """An object that is written through a buffer and durable once its stream is closed."""

    def create(self, overwrite: bool = False) -> Any:
        """A binary stream. Names of ours are random: an object there before is replaced."""
        stream = self._filesystem.open_output_stream(self._path, buffer_size=None)
        return io.BufferedWriter(_SentRaw(stream), BUFFER_BYTES)


class SyncedFileIO(PyArrowFileIO):
    """The library's file I/O, with outputs that are durable when closed. Reading is the library's own.

    Safe to use from many threads.
    """

    def new_output(self, location: str) -> PyArrowFile:
        """The file at `location`, ready to be created."""
        scheme, netloc, path = self.parse_location(location, self.properties)
        if scheme != "file":
            return SentFile(location=location, path=path, fs=self.fs_by_scheme(scheme, netloc))
        output = SyncedFile(location=location, path=path, fs=self.fs_by_scheme(scheme, netloc))
        warehouse = self.parse_location(self.properties.get(WAREHOUSE, str(Path(path).parent)))
        output.root = Path(warehouse[2])
        return output

    def place(self, location: str) -> tuple[FileSystem, str]:
        """The file system of a location, and the path in it: however the location is spelt, the same path."""
        scheme, netloc, path = self.parse_location(location, self.properties)
        return self.fs_by_scheme(scheme, netloc), path

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:
        """The library's own leaves bounds and addressing to defaults, and asks three times for one write."""
        return S3FileSystem(
            access_key=self.properties[S3_ACCESS_KEY_ID],
            secret_key=self.properties[S3_SECRET_ACCESS_KEY],
            endpoint_override=self.properties[S3_ENDPOINT] or None,  # the region's own
            region=self.properties[S3_REGION],
            connect_timeout=CONNECT_S,
            request_timeout=REQUEST_S,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            allow_delayed_open=True,
        )
