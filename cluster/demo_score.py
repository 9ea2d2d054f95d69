"""How often the decisions are what the simulator meant, which knows the truth of every event it sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cluster.demo import Doors, Post
from pipelines.simulator.sent import Truth

SAMPLE = 4_000
ASKED_AT_ONCE = 500
DECIDED = "SELECT event_id, is_complaint, l1, l2, region FROM events WHERE disposition <> 'quarantined'"


class Agreement(NamedTuple):
    """Of `events`, which can be told and fit the question, so many were decided as they were meant."""

    about: str
    events: int
    agreed: int


def agreement(client: Doors, sent: Sequence[Post]) -> list[Agreement]:
    """By question; empty where nobody knows the truth. Of many events every n-th is looked up."""
    truths = {
        one.truth.event_id: one.truth
        for one in sent
        if one.truth and one.truth.event_id and not one.truth.broken and not one.truth.redelivery_of
    }
    chosen = sorted(truths)[:: max(1, -(-len(truths) // SAMPLE))]
    found = [(truths[row["event_id"]], row) for row in _rows(client, chosen)]
    return scored(found) if found else []


def scored(found: Sequence[tuple[Truth, dict[str, Any]]]) -> list[Agreement]:
    """Meant and decided, compared question by question."""
    complaints = [(truth, row) for truth, row in found if truth.is_complaint]
    named = [(truth, row) for truth, row in found if truth.region]
    return [
        Agreement(about, len(pairs), sum(getattr(truth, name) == row[name] for truth, row in pairs))
        for about, name, pairs in (
            ("is it a complaint", "is_complaint", found),
            ("category (l1) of complaints", "l1", complaints),
            ("category (l2) of complaints", "l2", complaints),
            ("region, where one is named", "region", named),
        )
    ]


def _rows(client: Doors, ids: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for begin in range(0, len(ids), ASKED_AT_ONCE):
        listed = ", ".join(f"'{each}'" for each in ids[begin : begin + ASKED_AT_ONCE])
        rows += client.ask(f"{DECIDED} AND event_id IN ({listed})")["rows"]
    return rows
