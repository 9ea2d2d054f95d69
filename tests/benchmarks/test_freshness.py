"""The figures are those of the events: seconds from the 202 to the first answer that shows them."""

from __future__ import annotations

import random
import re
from typing import Any

from benchmarks.freshness import MEAN_PER_S, SOURCE, Group, groups, measure, percentiles
from cluster.demo import Post


class Place:
    """Doors and a clock moved by pauses; `events` shows an event after 3 s, `complaints` after 9."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.sent_s: dict[str, float] = {}

    def send(self, first: Post, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        results = [{"event_id": f"{len(self.sent_s) + i:032x}"} for i in range(len(body.splitlines()))]
        self.sent_s.update((each["event_id"], self.now_s) for each in results)
        return {"results": results} if path == "events:batch" else results[0]

    def ask(self, sql: str) -> dict[str, Any]:
        late_s = 3.0 if "FROM events " in sql else 9.0
        asked = re.findall("[0-9a-f]{32}", sql)
        return {"rows": [{"event_id": each} for each in asked if self.now_s - self.sent_s[each] >= late_s]}

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def test_each_event_is_timed_in_both_views() -> None:
    place = Place()
    post = Post("sms", SOURCE, b"{}", "application/json", "plain/1")
    due = [Group(1.0, [post]), Group(2.0, [post] * 3)]
    took = measure(place, due, lambda: place.now_s, place.pause)
    assert [len(took[view]) for view in ("events", "complaints")] == [4, 4]
    assert all(3.0 <= seconds < 3.5 for seconds in took["events"])
    assert all(9.0 <= seconds < 10.5 for seconds in took["complaints"])


def test_what_never_shows_is_infinitely_late() -> None:
    place = Place()
    place.ask = lambda sql: {"rows": []}  # type: ignore[method-assign]
    post = Post("sms", SOURCE, b"{}", "application/json", "plain/1")
    took = measure(place, [Group(0.0, [post])], lambda: place.now_s, place.pause)
    assert percentiles(took["events"])["p50"] == float("inf")


def test_arrivals_have_the_rate_and_the_mix_asked_for() -> None:
    found = list(groups(10 * MEAN_PER_S, 2_000.0, random.Random(1)))
    events = [post for group in found for post in group.posts]
    assert abs(len(events) - 10 * MEAN_PER_S * 2_000) < 1_000
    singles = sum(len(group.posts) == 1 for group in found)
    assert 0.03 < singles / len(events) < 0.08
    assert len({post.payload for post in events}) == len(events)


def test_percentiles_by_rank() -> None:
    assert percentiles([float(n) for n in range(200)]) == {"p50": 100.0, "p99": 198.0, "max": 199.0}
