"""The tree of `disk.py` as a mounted file system; run as a process of its own by `powercut.py`."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.disk import HIDDEN, File, Folder, Node, Write, cut, dump, load

CONTROL = "user.powercut."
"""Commands come as extended attributes set on the root: the one loop orders them with everything else."""
AFTER_CUT = frozenset({"init", "release", "releasedir", "setxattr"})
SYNCED_OPEN = os.O_SYNC | os.O_DSYNC
MAX_WRITE_BYTES = 128 * 1024


@dataclass(slots=True)
class Handle:
    """An open file. `due` are writes through O_SYNC or O_DSYNC that the kernel is about to sync."""

    file: File
    synced: bool
    due: list[Write] = field(default_factory=list)


class Volume:
    """The operations libfuse asks for, one at a time. What is missing here the kernel does itself: locks."""

    use_ns = True

    def __init__(self, root: Folder) -> None:
        self._root = root
        self._dark = False
        self._open: dict[int, Handle] = {}
        self._next_handle = 1

    def __call__(self, operation: str, *args: Any) -> Any:
        """Every operation passes here."""
        if self._dark and operation not in AFTER_CUT:
            raise OSError(errno.EIO, "power cut")
        return getattr(self, operation)(*args)

    def init(self, _path: str) -> None:
        sys.stdout.write("mounted\n")
        sys.stdout.flush()

    def setxattr(self, path: str, name: str, value: bytes, _options: int, _position: int = 0) -> None:
        if path != "/" or not name.startswith(CONTROL):
            raise OSError(errno.EOPNOTSUPP, "only commands")
        arguments = json.loads(value)
        folder = Path(arguments.pop("folder"))
        if name == CONTROL + "cut":
            self._dark = True
            cut(self._root, **arguments)
        dump(self._root, folder)

    def getattr(self, path: str, _info: Any = None) -> dict[str, int]:
        node = self._find(path)
        size = len(node.live)
        return {
            "st_mode": node.mode, "st_ino": node.ino, "st_nlink": node.links, "st_size": size,
            "st_blocks": -(-size // 512), "st_blksize": 4096,
            "st_atime": node.atime, "st_mtime": node.mtime, "st_ctime": node.mtime,
        }  # fmt: skip

    def statfs(self, _path: str) -> dict[str, int]:
        blocks = {"f_blocks": 1 << 28, "f_bfree": 1 << 28, "f_bavail": 1 << 28}
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255, **blocks}

    def chmod(self, path: str, mode: int) -> None:
        node = self._find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        node = self._find(path)
        node.atime, node.mtime = times or (time.time_ns(), time.time_ns())

    # Bytes

    def create(self, path: str, mode: int, info: Any) -> None:
        folder, name = self._place(path)
        file = File(stat.S_IMODE(mode))
        folder.change({name: file})
        self._opened(file, info)

    def open(self, path: str, info: Any) -> None:
        self._opened(self._file(path), info)

    def read(self, _path: str, size: int, offset: int, info: Any) -> bytes:
        return bytes(memoryview(self._open[info.fh].file.live)[offset : offset + size])

    def write(self, _path: str, content: bytes, offset: int, info: Any) -> int:
        handle = self._open[info.fh]
        write = Write(offset, content)
        handle.file.write(write)
        # Pages of a mapping are written through any descriptor, so this one's promise is not theirs.
        if handle.synced and not info.writepage:
            handle.due.append(write)
        return len(content)

    def truncate(self, path: str, length: int, _info: Any = None) -> None:
        self._file(path).write(Write(length, None))

    def fsync(self, _path: str, _datasync: int, info: Any) -> None:
        handle = self._open[info.fh]
        if handle.due:
            # The kernel's own fsync after a synced write: it asks for the file, O_DSYNC promises the write.
            handle.file.keep(handle.due)
            handle.due.clear()
        else:
            handle.file.sync()

    def release(self, _path: str, info: Any) -> None:
        del self._open[info.fh]

    # Names

    def readdir(self, path: str, _handle: int) -> list[str]:
        return [".", "..", *self._folder(path).entries()]

    def mkdir(self, path: str, mode: int) -> None:
        folder, name = self._place(path)
        folder.change({name: Folder(stat.S_IMODE(mode))})

    def link(self, path: str, source: str) -> None:
        (folder, name), file = self._place(path), self._file(source)
        file.links += 1
        folder.change({name: file})

    def unlink(self, path: str) -> None:
        folder, name = self._place(path)
        if name.startswith(HIDDEN):
            del folder.live[name]
            return
        self._file(path).links -= 1
        folder.change({name: None})

    def rmdir(self, path: str) -> None:
        folder, name = self._place(path)
        if self._folder(path).entries():
            raise OSError(errno.ENOTEMPTY, "not empty")
        folder.change({name: None})

    def rename(self, old: str, new: str) -> None:
        node = self._find(old)
        (source, old_name), (target, new_name) = self._place(old), self._place(new)
        if new_name.startswith(HIDDEN):
            # An unlink of an open file: the hidden name is for its holders only and on no disk.
            self.unlink(old)
            target.live[new_name] = node
            return
        replaced = target.live.get(new_name)
        if isinstance(replaced, Folder) and replaced.entries():
            raise OSError(errno.ENOTEMPTY, "not empty")
        if isinstance(replaced, File):
            replaced.links -= 1
        if source is target:
            source.change({old_name: None, new_name: node})
        else:
            source.change({old_name: None})
            target.change({new_name: node})

    def fsyncdir(self, path: str, _datasync: int, _handle: int) -> None:
        self._folder(path).sync()

    def _find(self, path: str) -> Node:
        node: Node = self._root
        for name in path.strip("/").split("/") if path != "/" else ():
            if not isinstance(node, Folder):
                raise OSError(errno.ENOTDIR, "not a folder")
            if name not in node.live:
                raise OSError(errno.ENOENT, "no such name")
            node = node.live[name]
        return node

    def _file(self, path: str) -> File:
        node = self._find(path)
        if not isinstance(node, File):
            raise OSError(errno.EISDIR, "a folder")
        return node

    def _folder(self, path: str) -> Folder:
        node = self._find(path)
        if not isinstance(node, Folder):
            raise OSError(errno.ENOTDIR, "not a folder")
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        parent, _, name = path.rpartition("/")
        return self._folder(parent or "/"), name

    def _opened(self, file: File, info: Any) -> None:
        self._open[self._next_handle] = Handle(file, synced=bool(info.flags & SYNCED_OPEN))
        info.fh = self._next_handle
        # Cached pages are the truth as long as a file has one name (hard links: see `powercut.py`).
        info.keep_cache = file.links == 1
        self._next_handle += 1


def _leave_with_parent() -> None:
    sys.stdin.read()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def main(mountpoint: str, image: str) -> None:
    """Serve until killed, or until standard input ends."""
    import fuse  # loads libfuse: only in the process that mounts

    threading.Thread(target=_leave_with_parent, daemon=True).start()
    fuse.FUSE(
        Volume(load(Path(image))),
        mountpoint,
        raw_fi=True,
        foreground=True,
        nothreads=True,
        use_ino=True,
        big_writes=True,
        max_write=MAX_WRITE_BYTES,
        fsname="powercut",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
