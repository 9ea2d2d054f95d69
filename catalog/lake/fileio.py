"""File I/O for tables that makes every local file durable before anybody can name it.

pyiceberg never syncs what it writes, while the catalog's database syncs the swap that names it: after a
power cut the catalog would name files that are empty or gone.
"""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

from pyiceberg.io import WAREHOUSE
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from catalog import failpoints
from catalog.durable import sync_folder

BUFFER_BYTES = 1 << 20


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


class SyncedFileIO(PyArrowFileIO):
    """The library's file I/O, with outputs that are durable when closed. Reading is the library's own.

    Object stores are durable when they answer, so only local paths are written differently. Safe to use
    from many threads.
    """

    def new_output(self, location: str) -> PyArrowFile:
        """The file at `location`, ready to be created."""
        scheme, netloc, path = self.parse_location(location, self.properties)
        if scheme != "file":
            return super().new_output(location)
        output = SyncedFile(location=location, path=path, fs=self.fs_by_scheme(scheme, netloc))
        warehouse = self.parse_location(self.properties.get(WAREHOUSE, str(Path(path).parent)))
        output.root = Path(warehouse[2])
        return output
