"""A tree of files that knows what a power cut would leave of it.

Everything has two states: `live`, what processes see, and `disk`, what is durable. As pessimistic as POSIX
allows: bytes and sizes become durable by syncing their file, names by syncing the folder that holds them,
and nothing by waiting. Modes and times are durable at once: nothing here depends on them.
"""

from __future__ import annotations

import itertools
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

SECTOR_BYTES = 512
HIDDEN = ".fuse_hidden"
"""How libfuse names a file that lost its last name while somebody has it open."""

_inodes = itertools.count(1)


@dataclass(slots=True)
class Write:
    """Bytes at an offset; without bytes, a truncation to `offset`. A cut cannot lose a `durable` one."""

    offset: int
    content: bytes | None
    durable: bool = False

    def apply(self, to: bytearray) -> None:
        """Do it; what lies between the old end and the offset becomes zeros."""
        if len(to) < self.offset:
            to.extend(bytes(self.offset - len(to)))
        if self.content is None:
            del to[self.offset :]
        else:
            to[self.offset : self.offset + len(self.content)] = self.content

    def after_cut(self, rng: Random | None) -> Write | None:
        """What the disk has of it: nothing, all, or the part before or after a sector boundary."""
        if self.durable:
            return self
        if rng is None:
            return None
        content = self.content or b""
        boundaries = range(SECTOR_BYTES - self.offset % SECTOR_BYTES, len(content), SECTOR_BYTES)
        fate = rng.choice(("lost", "whole", "torn") if boundaries else ("lost", "whole"))
        if fate != "torn":
            return self if fate == "whole" else None
        at = rng.choice(boundaries)
        return rng.choice((Write(self.offset, content[:at]), Write(self.offset + at, content[at:])))


class File:
    """`live` is what processes read, `disk` what is durable; `unsynced` leads from one to the other."""

    def __init__(self, mode: int, content: bytes = b"") -> None:
        self.ino, self.mode, self.links = next(_inodes), stat.S_IFREG | mode, 1
        self.atime = self.mtime = time.time_ns()
        self.live, self.disk = bytearray(content), bytearray(content)
        self.unsynced: list[Write] = []

    def write(self, write: Write) -> None:
        """Change what processes see; on disk it stays in order behind what is still to be synced."""
        self.mtime = time.time_ns()
        write.apply(self.live)
        self.unsynced.append(write)

    def sync(self) -> None:
        """Make every byte so far, and the size, durable."""
        for write in self.unsynced:
            write.apply(self.disk)
        self.unsynced.clear()

    def keep(self, writes: list[Write]) -> None:
        """Make only these writes durable, as a descriptor opened with O_DSYNC does, not those around them."""
        for write in writes:
            write.durable = True
        while self.unsynced and self.unsynced[0].durable:
            self.unsynced.pop(0).apply(self.disk)

    def settle(self, rng: Random | None) -> None:
        """Decide what the disk has of the unsynced writes; without `rng`, nothing."""
        self.unsynced = [kept for write in self.unsynced if (kept := write.after_cut(rng))]
        self.sync()

    def durable(self) -> bytearray:
        """The bytes that any power cut leaves."""
        image = bytearray(self.disk)
        for write in self.unsynced:
            if write.durable:
                write.apply(image)
        return image


class Folder:
    """`live` are the names processes see, `disk` the durable ones, `unsynced` what lies between."""

    def __init__(self, mode: int) -> None:
        self.ino, self.mode, self.links = next(_inodes), stat.S_IFDIR | mode, 2
        self.atime = self.mtime = time.time_ns()
        self.live: dict[str, Node] = {}
        self.disk: dict[str, Node] = {}
        self.unsynced: list[dict[str, Node | None]] = []

    def change(self, names: dict[str, Node | None]) -> None:
        """Set or remove names; one call is one change on disk too."""
        self.mtime = time.time_ns()
        _rename(self.live, names)
        self.unsynced.append(names)

    def sync(self) -> None:
        """Make the names durable; what they stand for is not touched."""
        for names in self.unsynced:
            _rename(self.disk, names)
        self.unsynced.clear()

    def settle(self, rng: Random | None) -> None:
        """Decide how many of the unsynced changes are on disk, first come first; without `rng`, none."""
        del self.unsynced[rng.randint(0, len(self.unsynced)) if rng else 0 :]
        self.sync()

    def entries(self) -> list[str]:
        """The names a process may see."""
        return [name for name in self.live if not name.startswith(HIDDEN)]


Node = File | Folder


def _rename(names: dict[str, Node], change: dict[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _walk(root: Folder) -> Iterator[tuple[str, Node]]:
    """Every durable name with its path; a folder durable under two names only once.

    A folder comes before what it holds, which is looked up afterwards: the caller may settle it first.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Node]] = [("", root)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, Folder):
            if node.ino in seen:
                continue
            seen.add(node.ino)
        yield path, node
        if isinstance(node, Folder):
            waiting += [(f"{path}/{name}", child) for name, child in sorted(node.disk.items(), reverse=True)]


def dump(root: Folder, folder: Path) -> None:
    """Write what is durable into a real folder, new or empty; second names become hard links."""
    written: dict[int, Path] = {}
    for path, node in _walk(root):
        target = folder / path.lstrip("/")
        if isinstance(node, Folder):
            target.mkdir(parents=True, exist_ok=True)
        elif node.ino in written:
            target.hardlink_to(written[node.ino])
        else:
            target.write_bytes(node.durable())
            target.chmod(stat.S_IMODE(node.mode))
            written[node.ino] = target


def load(folder: Path) -> Folder:
    """A tree that shows, durably, what `dump` wrote; modes of folders are not kept."""
    files: dict[int, File] = {}

    def build(source: Path) -> Folder:
        made = Folder(0o755)
        for path in sorted(source.iterdir()):
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                made.disk[path.name] = build(path)
                continue
            if found.st_ino in files:
                files[found.st_ino].links += 1
            else:
                files[found.st_ino] = File(stat.S_IMODE(found.st_mode), path.read_bytes())
            made.disk[path.name] = files[found.st_ino]
        made.live = dict(made.disk)
        return made

    return build(folder)


def cut(root: Folder, seed: int, forget_all: bool, early_names: bool) -> None:
    """Reduce the tree to what the disk shows; each inode's fate depends on the seed and its number only."""
    for _, node in _walk(root):
        keep = early_names if isinstance(node, Folder) else not forget_all
        node.settle(Random(f"{seed}/{node.ino}") if keep else None)
