"""The folder of one node: what it keeps for itself, and on a single machine everything else, too."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from catalog.durable import make_folders

RETRY_S = 0.2


class Home(NamedTuple):
    """Paths under `BEEJAN_HOME`."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def make_patiently(self, pause: Callable[[float], object], stopping: Callable[[], bool]) -> None:
        """As `make`; waits while the disk fails or is full, until told to stop. Raises OSError otherwise."""
        while True:
            try:
                return self.make()
            except OSError as error:
                if error.errno not in (errno.EIO, errno.ENOSPC) or stopping():
                    raise
            pause(RETRY_S)

    def make(self) -> None:
        """Create it, for its owner alone, so that it survives a power cut; the stores make their own folders
        in it. One that is there stays open to whomever it is."""
        is_new = not self.root.exists()
        make_folders(self.state, self.root.parent)
        if is_new:
            self.root.chmod(0o700)
