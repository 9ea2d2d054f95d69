"""What dedup is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DedupConfig:
    """Where the memory lives, and what counts as a near-duplicate.

    Two events are near-duplicates from `threshold` (estimated Jaccard similarity) on, with event times up to
    `window_days` apart; they can be the same complaint up to `same_complaint_days` apart. `bucket_limit` is
    how many events a band's bucket keeps, the last ones. Deciding a plan again gives the same rows under the
    same values only.
    """

    state_dir: Path
    threshold: float = 0.7
    bucket_limit: int = 32
    window_days: int = 30
    same_complaint_days: int = 7
