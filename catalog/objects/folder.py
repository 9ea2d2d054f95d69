"""Objects as files of one machine's disk: each whole under a hidden name first, then named."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from catalog.durable import make_folders, sync_folder
from catalog.failpoints import hit
from catalog.objects.port import Listed, checked

FILE_MODE = 0o600
_HIDDEN = re.compile(r"\..+\.[0-9a-f]{16}")


class Folder:
    """A `port.Objects` below a folder, which is created when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: bytes) -> None:
        """As the port says. A crash leaves a hidden file, then the old object or the new one."""
        path = self._path(key)
        self._hidden(path, content).rename(path)
        sync_folder(path.parent)

    def create(self, key: str, content: bytes) -> bool:
        """As the port says. A crash leaves a hidden file, maybe beside the whole object."""
        path = self._path(key)
        is_ours = False
        if not path.exists():
            hidden = self._hidden(path, content)
            with suppress(FileExistsError):
                path.hardlink_to(hidden)  # a link does not replace
                is_ours = True
            hidden.unlink(missing_ok=True)
        # Also of one that was there: whoever named it may have died before this.
        make_folders(path.parent, self.root.parent)
        sync_folder(path.parent)
        return is_ours

    def get(self, key: str) -> bytes:
        """As the port says."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise LookupError(key) from None

    def list(self, folder: str, after: str = "") -> Iterator[Listed]:
        """As the port says."""
        below = self.root / folder
        found = {path.relative_to(self.root).as_posix(): path for path in below.rglob("*")}
        for key in sorted(found):
            if key <= after or any(name.startswith(".") for name in key.split("/")):
                continue
            try:
                state = found[key].stat()
            except FileNotFoundError:
                continue  # removed since the folder was read
            if found[key].is_file():
                yield Listed(key, state.st_size, state.st_mtime_ns // 1000)

    def folders(self, folder: str) -> tuple[str, ...]:
        """As the port says."""
        below = self.root / folder
        if not below.is_dir():
            return ()
        names = (each.name for each in below.iterdir() if each.is_dir() and each.name[0] != ".")
        return tuple(sorted(names))

    def delete(self, keys: Sequence[str]) -> None:
        """As the port says."""
        paths = [self._path(key) for key in keys]
        for path in paths:
            path.unlink(missing_ok=True)
        for parent in {path.parent for path in paths if path.parent.is_dir()}:
            sync_folder(parent)

    def sweep(self) -> None:
        """As the port says."""
        for path in self.root.rglob(".*"):
            if _HIDDEN.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _hidden(self, path: Path, content: bytes) -> Path:
        """The content, durable, under a name that nobody lists, beside where it will stand."""
        make_folders(path.parent, self.root.parent)
        hidden = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        hit("object.synced")
        return hidden

    def _path(self, key: str) -> Path:
        return self.root / checked(key)
