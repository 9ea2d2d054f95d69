"""The file system that forgets: a power cut for real processes.

`PowerCut` mounts the tree of `disk.py` through FUSE, in a process of its own. A cut stops every operation
with EIO until `restore` mounts what the disk had: kill the processes that worked there before or after it,
what they write and sync in between counts for nothing and is acknowledged to nobody.

    with PowerCut() as power:
        power.start(folder)
        ...                    # run, and kill, processes that work in `folder`
        power.cut(seed=7)
        power.restore()        # `folder` now shows what the disk had

The kernel takes two hard links for two files: they do not share locks or mapped pages. No symbolic links,
no owners. Pages changed through a mapping reach the file at msync, munmap or when the kernel feels like it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from benchmarks.faults import volume
from catalog.errors import BadInput, Unavailable

ROOT = Path(__file__).parents[2]


class PowerCut:
    """One mount at a time, and the power switch of its disk."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="powercut-")
        self._images = 0
        self._image: Path | None = None
        self.mountpoint = Path()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, mountpoint: Path) -> None:
        """Mount an empty file system; returns when it can be used. Raises Unavailable without FUSE."""
        self.mountpoint = mountpoint
        self._mount(self._new_image())

    def cut(self, seed: int, *, forget_all: bool = False, early_names: bool = False) -> None:
        """Cut the power: from this instant every operation fails with EIO, and the disk is settled.

        Each unsynced write is lost, kept or torn at a sector boundary, by `seed` (`forget_all`: all are
        lost). Unsynced names are lost; with `early_names` a folder's first few, by `seed`, had made it.
        """
        image = self._new_image()
        self._command("cut", folder=str(image), seed=seed, forget_all=forget_all, early_names=early_names)
        self._image = image

    def restore(self) -> None:
        """Switch on again: a fresh mount of what the disk had. Descriptors from before stay dead.

        Raises BadInput before a cut: what was acknowledged meanwhile would be lost without one.
        """
        image, self._image = self._image, None
        if image is None:
            raise BadInput("the power is on", hint="cut it before restoring it")
        self._unmount()
        self._mount(image)

    def dump(self, folder: Path) -> None:
        """Write what is durable now into a real folder outside the mount; changes nothing."""
        self._command("dump", folder=str(folder.absolute()))

    def stop(self) -> None:
        """Unmount and forget everything; may be called twice."""
        if self._server is not None:
            self._unmount()
        self._scratch.cleanup()

    def _new_image(self) -> Path:
        self._images += 1
        image = Path(self._scratch.name, str(self._images))
        image.mkdir()
        return image

    def _mount(self, image: Path) -> None:
        command = [sys.executable, "-m", volume.__name__, str(self.mountpoint.absolute()), str(image)]
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdout is not None
        if server.stdout.readline() != b"mounted\n":
            _end(server)
            raise Unavailable("the file system did not mount", hint="install libfuse2 and fuse, as root")
        self._server = server
        shutil.rmtree(image)

    def _unmount(self) -> None:
        assert self._server is not None
        _end(self._server)
        self._server = None
        subprocess.run(["fusermount", "-u", "-z", str(self.mountpoint)], check=True)

    def _command(self, verb: str, **arguments: str | int) -> None:
        os.setxattr(self.mountpoint, volume.CONTROL + verb, json.dumps(arguments).encode())


def _end(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.communicate()
