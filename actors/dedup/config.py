"""What dedup is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DedupConfig:
    """Where the memory lives, and what counts as a near-duplicate.

    Decisions depend on `threshold` (estimated Jaccard similarity from which two texts are linked) and on
    `bucket_limit` (how many events a band's bucket keeps, the earliest ones): deciding a plan again gives
    the same rows under the same values only.
    """

    state_dir: Path
    threshold: float = 0.7
    bucket_limit: int = 32
