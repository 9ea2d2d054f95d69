"""Making bytes and names survive a power cut: a file's bytes by its own sync, its name by its folder's."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make names created, renamed or removed in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folders(folder: Path, within: Path) -> None:
    """Create a folder and its parents, with every name on the way from `within` to it durable.

    That a folder exists proves nothing: whoever made it may have died before syncing its parent.
    """
    way = (folder, *folder.parents)
    missing = [each for each in way if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in way:
        if each in missing or (each != within and each.is_relative_to(within)):
            sync_folder(each.parent)


def write_synced(path: Path, content: bytes) -> None:
    """A file whose bytes are durable; its name is so once its folder is synced."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
