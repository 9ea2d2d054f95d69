"""Every question's answer worked out in Python, without SQL and without reading a table.

`python -m tests.serve_apps.query.questions.plain` writes them down anew, after the simulator or the rules
have changed what is in the lake.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from catalog.lake.commit import Lake
from catalog.lake.store import local
from serve_apps.query.cookbook import questions
from tests.serve_apps.query.questions import plain_days, plain_events
from tests.serve_apps.query.questions.facts import Facts, Row
from tests.serve_apps.query.questions.lake import fill
from tests.serve_apps.query.questions.run import canonical, write_down


def answers(facts: Facts) -> dict[str, list[Row]]:
    """The answers by the questions' names, in canonical form."""
    return {name: canonical(_plain(name)(facts)) for name in questions()}


def _plain(name: str) -> Callable[[Facts], list[Row]]:
    found: Callable[[Facts], list[Row]] = getattr(plain_days, name, None) or getattr(plain_events, name)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        lake = Lake(local(Path(home)))
        write_down(answers(fill(lake)))
        lake.close()
