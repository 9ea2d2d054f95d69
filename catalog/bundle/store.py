"""Where bundles are kept: one file each, named by its hash, never changed."""

from __future__ import annotations

import secrets
from pathlib import Path

from catalog.bundle.bundle import Bundle, decode
from catalog.durable import make_folders, sync_folder, write_synced
from catalog.errors import Stopped


class Bundles:
    """The bundles of one home. What `put` returned is on disk and survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, bundle: Bundle) -> str:
        """Keep a bundle and return its hash; keeping it again changes nothing."""
        name = bundle.hash
        path = self._path(name)
        make_folders(self._folder, within=self._folder.parent)
        if not path.exists():
            hidden = self._folder / f".{name}.{secrets.token_hex(8)}"
            write_synced(hidden, bundle.encode())
            hidden.rename(path)
        # Also when it was there: whoever renamed it may have died before this.
        sync_folder(self._folder)
        return name

    def get(self, name: str) -> Bundle:
        """The bundle of this hash. Raises Stopped when it is missing or its bytes have changed."""
        try:
            bundle = decode(self._path(name).read_bytes())
        except FileNotFoundError:
            raise Stopped(
                "a bundle that plans were decided under is missing",
                hint="restore it from a backup: without it these plans cannot be decided again",
                bundle=name,
            ) from None
        if bundle.hash != name:
            raise Stopped("a bundle's bytes have changed", hint="restore it from a backup", bundle=name)
        return bundle

    def _path(self, name: str) -> Path:
        return self._folder / f"{Path(name).name}.json"
