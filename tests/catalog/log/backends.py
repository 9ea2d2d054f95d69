"""The log backends that the behaviour suite runs on: a new one becomes one more line of BACKENDS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from catalog.log.grown import offset_of
from catalog.log.local import LocalLog
from catalog.log.objects import TAKEOVER_S, ObjectLog
from catalog.log.port import Log
from catalog.log.writer import Writer
from catalog.objects.port import Objects
from tests.catalog.log import builders
from tests.catalog.objects import backends as places


class Backend(Protocol):
    """One empty log, and what a test does to it."""

    @property
    def log(self) -> Log:
        """The log, read and taken over."""
        ...

    def writer(self) -> Writer:
        """A new writer."""
        ...

    def kill(self, writer: Writer) -> None:
        """What the death of a writer's process leaves, with half a frame behind what was acknowledged."""
        ...

    def damage(self, segment: str, offset: int) -> None:
        """Change a stored byte behind this offset, inside the frame that begins there."""
        ...


class LocalBackend:
    """Local disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.log: LocalLog = builders.open_log(root)

    def writer(self) -> Writer:
        return builders.open_writer(self._root)

    def kill(self, writer: Writer) -> None:
        segment = writer._sink._segment  # type: ignore[attr-defined]
        builders.let_go(writer)
        with builders.file_of(self._root, segment.name).open("ab") as file:
            file.write(segment._codec.frame_mark + b"half a frame")

    def damage(self, segment: str, offset: int) -> None:
        builders.flip(builders.file_of(self._root, segment), 8 * (offset + 40))


class ObjectBackend:
    """Objects, wherever they are kept."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._clock = builders.FakeClock()
        self.log = ObjectLog(objects, self._clock)

    def writer(self) -> Writer:
        return self.log.writer(builders.SMALL)

    def kill(self, writer: Writer) -> None:
        writer._thread.shutdown()
        self._wait()

    def damage(self, segment: str, offset: int) -> None:
        keys = [each.key for each in self._objects.list(f"groups/{segment}")]
        key = [key for key in keys if offset_of(key) <= offset][-1]
        content = bytearray(self._objects.get(key))
        content[offset - offset_of(key) + 40] ^= 1
        self._objects.put(key, bytes(content))
        self.log = ObjectLog(self._objects, self._clock)  # one that has not read it yet
        self._wait()

    def _wait(self) -> None:
        """Until a segment that does not grow may be taken over."""
        self.log.segments()
        self._clock.seconds += TAKEOVER_S


def _local(request: pytest.FixtureRequest) -> Backend:
    root: Path = request.getfixturevalue("tmp_path")
    return LocalBackend(root / "log")


def _objects(kind: str) -> Callable[[pytest.FixtureRequest], Backend]:
    return lambda request: ObjectBackend(places.BACKENDS[kind](request))


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Backend]] = {
    "local": _local,
    **{f"objects-{kind}": _objects(kind) for kind in places.BACKENDS},
}
