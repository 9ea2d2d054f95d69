"""Which processes work on a home: each notes itself there, who asks looks whether it lives."""

from __future__ import annotations

from contextlib import suppress

from cluster.home import Home
from cluster.stack import daemon


def note(home: Home, name: str) -> None:
    """Say that this process is the actor `name` now."""
    folder = home.state / "actors"
    with suppress(OSError):  # only a note: no actor fails to start for want of it
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(daemon.own_note())


def living(home: Home) -> list[dict[str, str | int | bool]]:
    """Name, pid and whether it lives, of every actor that was started on this home last."""
    folder = home.state / "actors"
    if not folder.is_dir():
        return []
    found = [(path, path.read_text().partition(" ")[0]) for path in sorted(folder.iterdir())]
    return [
        {"name": path.name, "pid": int(pid), "alive": daemon.noted(path) is not None}
        for path, pid in found
        if pid.isdigit()
    ]
