"""What the plain answers count with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.serve_apps.query.questions.facts import Row

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Rows by key, in the order in which keys come first."""
    found: dict[K, list[T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def by(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    """Rows by the values of these columns: of one column the bare value."""
    return grouped(rows, lambda row: row[names[0]] if len(names) == 1 else tuple(row[name] for name in names))


def total(rows: Iterable[Row], name: str) -> int:
    """The sum of a column."""
    return sum(row[name] for row in rows)


def share(rows: Sequence[T], holds: Callable[[T], Any]) -> float:
    """The part of the rows for which something holds."""
    return sum(bool(holds(row)) for row in rows) / len(rows)


def rank(values: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile: the first value with so many of all at or below it."""
    place = -(-len(values) * percent // 100)
    return sorted(values)[max(place, 1) - 1]


def seconds(begin: datetime, end: datetime, unit: int = 1) -> int:
    """Whole units of so many seconds from one instant to a later one."""
    return int((end - begin) / timedelta(seconds=unit))


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return sum(values) / len(values) if values else None
