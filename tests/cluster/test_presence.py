"""Which actors live, told by more than a number."""

from __future__ import annotations

import os
from pathlib import Path

from cluster.home import Home
from cluster.presence import living, note


def test_an_actor_lives_as_long_as_its_process_whoever_has_its_number_then(tmp_path: Path) -> None:
    home = Home(tmp_path)
    note(home, "worker-0")
    assert living(home) == [{"name": "worker-0", "pid": os.getpid(), "alive": True}]
    noted = home.state / "actors" / "worker-0"
    head, _, start = noted.read_text().partition(")")
    noted.write_text(f"{head}){start.replace(start.split()[19], '1')}")
    assert living(home) == [{"name": "worker-0", "pid": os.getpid(), "alive": False}]
    noted.write_text("")
    assert living(home) == []
