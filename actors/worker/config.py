"""What a flow worker is built from; pickles, so that the same worker runs anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from catalog.envelope import Located, Unreadable
from catalog.history import History

Stages = Callable[
    [str, Sequence[Located], frozenset[tuple[str, int]], dict[tuple[str, int], Unreadable]], pa.Table
]
"""The pure stages under a bundle, named by its hash, over one batch of frames, given which of them ended a
process or are unreadable."""


class WorkerConfig(NamedTuple):
    """`history` opens the place frames are read from, `stages` are the flow's pure ones."""

    history: Callable[[], History]
    stages: Stages
    batch_rows: int
