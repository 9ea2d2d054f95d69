"""Which processes work on a home: each notes its name and pid there, who asks looks whether it lives."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from cluster.home import Home


def note(home: Home, name: str) -> None:
    """Say that this process is the actor `name` now."""
    folder = home.state / "actors"
    with suppress(OSError):  # only a note: no actor fails to start for want of it
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(str(os.getpid()))


def living(home: Home) -> list[dict[str, str | int | bool]]:
    """Name, pid and whether it lives, of every actor that was started on this home last."""
    folder = home.state / "actors"
    if not folder.is_dir():
        return []
    found = [(path.name, path.read_text()) for path in sorted(folder.iterdir())]
    return [
        {"name": name, "pid": int(pid), "alive": Path(f"/proc/{pid}").exists()}
        for name, pid in found
        if pid.isdigit()
    ]
