"""Files of a table that no snapshot names any more, and since when: they go after the longest query."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from catalog.durable import sync_folder, write_synced

GRACE_US = 15 * 60 * 1_000_000
"""How long a query may go on reading the files of a snapshot that has expired since."""


class Unreferenced:
    """A small file beside the table's folders. Losing it only delays a deletion: what it lists is proven.

    Proven means: listed before a commit moved the head, named by nothing after it. A commit that staged
    such a file can no longer succeed, so that the file stays unreferenced for ever.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "unreferenced.json"

    def note(self, paths: Iterable[str], now_us: int) -> None:
        """Remember files proven unreferenced; what is known already keeps its earlier time."""
        since = {path: min(noted, now_us) for path, noted in self._since().items()}
        self._write({path: now_us for path in paths} | since)

    def delete_due(self, now_us: int, grace_us: int) -> int:
        """Delete the files noted at least `grace_us` ago; their number. A crash leaves the rest due."""
        since = self._since()
        due = [path for path, noted in since.items() if now_us - noted >= grace_us]
        for path in due:
            Path(path).unlink(missing_ok=True)
        if due:
            self._write({path: noted for path, noted in since.items() if now_us - noted < grace_us})
        return len(due)

    def _since(self) -> dict[str, int]:
        try:
            noted: dict[str, int] = json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return noted

    def _write(self, since: dict[str, int]) -> None:
        written = self._path.with_suffix(".new")
        write_synced(written, json.dumps(since).encode())
        written.replace(self._path)
        sync_folder(self._path.parent)
