"""The files under one table's location, wherever that is: listed, removed, and a note beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from pyarrow.fs import FileSelector, FileType
from pyiceberg.table import Table

from catalog.errors import UnsafeStore
from catalog.lake.fileio import SyncedFileIO


class Folder:
    """Names files by their paths in the table's file system: there each has one name only, while locations
    may differ in how they are spelt."""

    def __init__(self, table: Table) -> None:
        self._io = cast(SyncedFileIO, table.io)
        self._location = table.location()
        self._files, self._root = self._io.place(self._location)

    def path(self, location: str) -> str:
        """The path of a file the table names. Raises UnsafeStore for one that lies elsewhere: it could not be
        matched with the listing, and its file might be taken for one that nobody names."""
        path = self._io.place(location)[1]
        if not path.startswith(f"{self._root}/"):
            raise UnsafeStore("a table's file lies elsewhere", hint="move it back", file=location)
        return path

    def listed(self) -> Iterator[str]:
        """Every file of data and metadata."""
        for part in ("data", "metadata"):
            wanted = FileSelector(f"{self._root}/{part}", allow_not_found=True, recursive=True)
            yield from (each.path for each in self._files.get_file_info(wanted) if each.type == FileType.File)

    def delete(self, path: str) -> None:
        """Remove a file; nothing happens when it is gone already."""
        with suppress(FileNotFoundError):
            self._files.delete_file(path)

    def remove(self) -> None:
        """Remove everything, of a table that is dropped."""
        with suppress(FileNotFoundError):
            self._files.delete_dir(self._root)

    def read(self, name: str) -> bytes | None:
        """A note of ours, None when there is none."""
        try:
            with self._io.new_input(f"{self._location}/{name}").open() as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Make a note durable in place of the one before; on local disk a crash may tear it."""
        with self._io.new_output(f"{self._location}/{name}").create(overwrite=True) as stream:
            stream.write(content)
