from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.progress import Progress, ToldStop
from tests.homes import append, line, run, small


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticking(step_s: float) -> Callable[[], float]:
    now = iter(range(1_000))
    return lambda: next(now) * step_s


def told(stream: io.StringIO, step_s: float, times: int) -> str:
    progress = Progress(stream, ticking(step_s))
    for number in range(times):
        progress.tell(lambda number=number: f"{number} done")  # type: ignore[misc]
    progress.end()
    return stream.getvalue()


def test_a_terminal_has_one_line_that_changes_and_others_a_line_now_and_then() -> None:
    live = told(Terminal(), 1.0, 3)
    assert live == "\r0 done after 1 s\x1b[K\r1 done after 2 s\x1b[K\r2 done after 3 s\x1b[K\n"
    assert told(io.StringIO(), 5.0, 5) == "1 done after 10 s\n3 done after 20 s\n"


def test_who_is_quick_says_nothing_to_a_file() -> None:
    assert told(io.StringIO(), 0.1, 50) == ""


def test_a_run_says_which_plan_it_is_at(tmp_path: Path, monkeypatch: Any) -> None:
    settings = small(tmp_path)
    append(settings, [line(1), line(2)])
    run(settings)
    stream = Terminal()
    stop = ToldStop(settings, Progress(stream, ticking(1.0)))
    assert stop() is False
    assert "plan 1 of 1 committed, 2 events decided" in stream.getvalue()
