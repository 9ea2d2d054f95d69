"""What the query door needs of an engine, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, get_args

import pyarrow as pa

from catalog.errors import BadInput, Unavailable

Role = Literal["analyst", "operations", "finance", "compliance"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Who asks: `roles.toml` says what each may see."""

Value = str | int | float | bool | None


Gone = Callable[[], bool]
"""Whether the caller has gone away, so that nobody waits for the answer any more."""


def never() -> bool:
    """Of a caller that stays."""
    return False


def past_calendar() -> BadInput:
    """What to raise for an answer with a date or a time beyond the years 1 to 9999."""
    return BadInput("a date of the answer is out of range", hint="CAST it to varchar")


def gone_away() -> Unavailable:
    """What to raise where nobody waits for the answer any more."""
    return Unavailable("the caller has gone away", hint="ask again")


class Limits(NamedTuple):
    """How much one query may have."""

    rows: int = 1_000
    """Rows in the answer; more are cut off, and the answer says so."""
    bytes: int = 64 << 20
    """Of the answer in memory."""
    seconds: float = 10.0


class Answer(NamedTuple):
    """Rows, and the state of the lake they were read from."""

    table: pa.Table
    as_of_seq: int
    """Every plan up to this one is in each of the tables that were read."""
    truncated: bool


class QueryEngine(Protocol):
    """Answers queries over the served views. Safe to use from several threads."""

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        """Answer one SELECT in Trino's dialect, from the newest commit; `?` stand for `params` in order.

        The text is not trusted. Raises BadInput for one that is refused or wrong, TooSlow, TooLarge, Busy,
        Unavailable when the lake or the engine does not answer, or soon after the caller is `gone`.
        """
        ...

    def warm(self) -> None:
        """Get ready, so that the first question takes no longer than others; blocks. Failing is no error."""
        ...

    def close(self) -> None:
        """End what the engine runs, once; nothing is asked any more."""
        ...
