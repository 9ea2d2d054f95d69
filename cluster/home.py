"""The folders of one home, and where each store stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from catalog.durable import make_folders


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

    def make(self) -> None:
        """Create the folders so that they survive a power cut."""
        for folder in (self.log, self.raw, self.state, self.bundles, self.keys):
            make_folders(folder, self.root.parent)
