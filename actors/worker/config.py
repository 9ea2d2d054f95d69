"""What a flow worker is built from; pickles, so that the same worker runs anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa

from catalog.control.plans import Amendments, Plan
from catalog.envelope import Located, Unreadable


class Stages(Protocol):
    """The pure stages of the flow over one batch of frames."""

    def __call__(
        self,
        batch: Sequence[Located],
        crashed: frozenset[tuple[str, int]],
        unreadable: dict[tuple[str, int], Unreadable],
    ) -> pa.Table: ...


class History(Protocol):
    """Where a plan's frames are read from."""

    def frames(self, plan: Plan, amendments: Amendments) -> list[Located]: ...

    def remains(self, segment: str, offset: int) -> bytes: ...


class WorkerConfig(NamedTuple):
    """`history` opens the place frames are read from, `stages` are the flow's pure ones."""

    history: Callable[[], History]
    stages: Stages
    batch_rows: int
