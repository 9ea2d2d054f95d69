"""The folders of one home, and where each store stands in it."""

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

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def control(self) -> Path:
        return self.root / "control.db"

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
        """Create the folders so that they survive a power cut."""
        for folder in (self.log, self.raw, self.state, self.bundles, self.keys):
            make_folders(folder, self.root.parent)
