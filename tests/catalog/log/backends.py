"""The log backends that the behaviour suite runs on: a new one becomes one more line of BACKENDS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from catalog.log.local import LocalLog, LocalWriter
from catalog.log.port import Log, Writer
from tests.catalog.log import builders


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

    def writer(self) -> LocalWriter:
        return builders.open_writer(self._root)

    def kill(self, writer: Writer) -> None:
        assert isinstance(writer, LocalWriter)
        segment = writer._sink._segment  # type: ignore[attr-defined]
        builders.let_go(writer)
        with builders.file_of(self._root, segment.name).open("ab") as file:
            file.write(segment._codec.frame_mark + b"half a frame")

    def damage(self, segment: str, offset: int) -> None:
        builders.flip(builders.file_of(self._root, segment), 8 * (offset + 40))


BACKENDS: dict[str, Callable[[Path], Backend]] = {"local": LocalBackend}
