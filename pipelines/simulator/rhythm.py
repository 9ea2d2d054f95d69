"""When something is sent: each channel in its hours, and one burst within its minutes."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

_HOUR_US = 3_600_000_000


class Slot(NamedTuple):
    """One moment at which something is sent."""

    sent_us: int
    channel: str
    in_burst: bool


def slots(rng: Random, rates: dict[str, Any], events: int, midnight_us: int) -> list[Slot]:
    """All moments of a day that begins at `midnight_us`, in order."""
    burst, cells, weights = rates["burst"], list[tuple[int, str]](), list[float]()
    for name, channel in rates["channels"].items():
        cells += [(midnight_us + hour * _HOUR_US, name) for hour in range(24)]
        weights += [channel["share"] * hour / sum(channel["hours"]) for hour in channel["hours"]]
    bursting = round(events * burst["share"])
    start_us = midnight_us + int((9 + rng.random() * 10) * _HOUR_US)
    found = [
        Slot(hour_us + int(rng.random() * _HOUR_US), name, False)
        for hour_us, name in rng.choices(cells, weights, k=events - bursting)
    ]
    found += [
        # Most of them in its first minutes.
        Slot(start_us + int(rng.random() ** 1.5 * burst["minutes"] * 60_000_000), name, True)
        for name in rng.choices(list(burst["channels"]), list(burst["channels"].values()), k=bursting)
    ]
    return sorted(found)
