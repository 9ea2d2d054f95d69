"""Queries that would need more memory than Trino has, thrown by an analyst while a dashboard asks.

    BEEJAN_STACK=FOLDER python -m benchmarks.bombs [NAME …]

Each must be refused or ended, Trino must live on as the same process, and every question of the dashboard
must be answered. The queries are `bombs.sql`; the stack must be up and have its views.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from trino.exceptions import TrinoConnectionError, TrinoQueryError

from cluster.settings import read
from cluster.stack import lifecycle, trino
from cluster.stack.stack import Stack

AT_ONCE = 3
WAIT_S = 600.0
"""For one answer of the server: only ever passes when it would never come."""
ROLE, BESIDE = "analyst", "operations"
DASHBOARD = "SELECT channel, sum(received) FROM lake.served.ledger GROUP BY channel"


class Bomb(NamedTuple):
    """A query by its name; `is_daily` for those of the test suite."""

    name: str
    is_daily: bool
    sql: str


class Thrown(NamedTuple):
    """What became of a query: Trino's name of the error, "answered", or "connection lost"."""

    name: str
    outcome: str
    seconds: float


class Report(NamedTuple):
    """`is_same_process` says that Trino did not end; `unanswered` are the dashboard's errors."""

    thrown: list[Thrown]
    is_same_process: bool
    answered: int
    unanswered: list[str]

    @property
    def is_ok(self) -> bool:
        """Whether nothing of this did harm."""
        ended = all(each.outcome not in ("answered", "connection lost") for each in self.thrown)
        return ended and self.is_same_process and self.answered > 0 and not self.unanswered


def bombs() -> list[Bomb]:
    """Those of the file, in its order."""
    found = []
    for part in Path(__file__).with_suffix(".sql").read_text().split("\n\n")[1:]:
        head, _, sql = part.strip().partition("\n")
        name, _, mark = head.removeprefix("-- ").partition(" ")
        found.append(Bomb(name, mark == "(daily)", sql))
    return found


def throw(stack: Stack, thrown: Iterable[Bomb], at_once: int = AT_ONCE) -> Report:
    """All of these, so many at once, and the dashboard's question over and over until the last has ended."""
    before = lifecycle.started(stack, "trino")
    answers: list[str] = []
    with _asking(stack, answers), ThreadPoolExecutor(at_once) as throwers:
        found = list(throwers.map(partial(_throw, stack), thrown))
    is_same = before is not None and before.is_alive() and before == lifecycle.started(stack, "trino")
    failures = [each for each in answers if each]
    return Report(found, is_same, len(answers) - len(failures), failures)


def _throw(stack: Stack, bomb: Bomb) -> Thrown:
    began_s = time.monotonic()
    outcome = _outcome(stack, ROLE, bomb.sql) or "answered"
    return Thrown(bomb.name, outcome, round(time.monotonic() - began_s, 1))


def _outcome(stack: Stack, user: str, sql: str) -> str:
    """Empty where it was answered."""
    try:
        with trino.connection(stack, user, WAIT_S) as client:
            client.cursor().execute(sql).fetchall()
    except TrinoQueryError as error:
        return str(error.error_name)
    except (TrinoConnectionError, OSError):
        return "connection lost"
    return ""


@contextmanager
def _asking(stack: Stack, answers: list[str]) -> Iterator[None]:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(_outcome(stack, BESIDE, DASHBOARD))
            over.wait(0.5)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def main() -> None:
    """Throw those named, or all."""
    names = set(sys.argv[1:])
    report = throw(Stack.open(read().stack), [each for each in bombs() if not names or each.name in names])
    for each in report.thrown:
        print(f"{each.name:24} {each.outcome:32} {each.seconds:6} s")
    print(
        f"Trino lived on: {report.is_same_process}; dashboard: {report.answered} answers, {report.unanswered}"
    )
    sys.exit(not report.is_ok)


if __name__ == "__main__":
    main()
