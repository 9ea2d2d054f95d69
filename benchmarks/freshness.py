"""How long after its 202 an event is seen by SQL: in the events view, and in the curated one.

    BEEJAN_HOME=FOLDER python -m benchmarks.freshness [--rate 0.46] [--seconds 240] [--profile cluster]

Against the whole product under default settings, started here unless the home is up. Complaints come at
`rate` a second on average, a twentieth one by one and the rest in small batches at random moments. Both views
are asked for what is still missing, so the figures include up to `LOOK_S` of waiting and the query itself.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from catalog.contracts.registry import CHANNELS
from cluster import demo, up
from cluster.demo import PLAIN, Post
from cluster.settings import PROFILES, choose, read
from serve_apps.ingest.framing import JSON, NDJSON

MEAN_PER_S = 40_000 / 86_400
SOURCE = "freshness"
WORDS = ("network", "down", "data", "refund", "agent", "slow", "charged", "twice", "signal", "lagos")
BATCHES = (2, 4, 8)
LOOK_S, CURATED_LOOK_S = 0.25, 1.0
PATIENCE_S = 180.0
VIEWS = {"events": LOOK_S, "complaints": CURATED_LOOK_S}
"""The views asked, and how often."""


class Doors(Protocol):
    """What is needed of a client."""

    def send(self, first: Post, path: str, body: bytes, content_type: str) -> dict[str, Any]: ...
    def ask(self, sql: str) -> dict[str, Any]: ...


class Group(NamedTuple):
    """Posts sent together, so many seconds after the beginning."""

    at_s: float
    posts: list[Post]


def groups(rate: float, seconds: float, rng: random.Random) -> Iterator[Group]:
    """Arrivals at random over `seconds`, `rate` events a second on average."""
    run, at_s, n = f"{rng.getrandbits(64):x}", 0.0, 0
    while True:
        size = 1 if rng.random() < 0.2 else rng.choice(BATCHES)  # a twentieth of the events comes alone
        at_s += rng.expovariate(rate / size)
        if at_s >= seconds:
            return
        channel = rng.choice(CHANNELS)
        yield Group(at_s, [_post(channel, f"{run}-{n + i}", rng) for i in range(size)])
        n += size


def _post(channel: str, name: str, rng: random.Random) -> Post:
    words = (
        "network",
        "down",
        "data",
        "refund",
        "agent",
        "slow",
        "charged",
        "twice",
        "signal",
        "lagos",
        "abeg",
    )
    text = " ".join(rng.choice(words) for _ in range(25))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    payload = json.dumps({"id": name, "text": f"{text} {name}", "event_time": now}).encode()
    return Post(channel, SOURCE, payload, JSON, PLAIN)


def measure(
    client: Doors, due: Sequence[Group], clock: Callable[[], float], pause: Callable[[float], object]
) -> dict[str, list[float]]:
    """Seconds from each event's 202 to its row, by view; what is never seen counts as infinitely late."""
    began_s, waiting = clock(), list(due)
    missing: dict[str, dict[str, float]] = {view: {} for view in VIEWS}
    asked_s = dict.fromkeys(VIEWS, began_s)
    took: dict[str, list[float]] = {view: [] for view in VIEWS}
    last_s = began_s
    while waiting or (any(missing.values()) and clock() - last_s < PATIENCE_S):
        if waiting and clock() - began_s >= waiting[0].at_s:
            ids, last_s = _send(client, waiting.pop(0).posts), clock()
            for view in VIEWS:
                missing[view].update(dict.fromkeys(ids, last_s))
            continue
        for view, every_s in VIEWS.items():
            if missing[view] and clock() - asked_s[view] >= every_s:
                found = _seen(client, view, missing[view])
                asked_s[view] = clock()
                took[view] += [asked_s[view] - missing[view].pop(each) for each in found]
        pause(LOOK_S / 5)
    return {view: [*took[view], *[float("inf")] * len(missing[view])] for view in VIEWS}


def _send(client: Doors, posts: list[Post]) -> list[str]:
    if len(posts) == 1:
        return [client.send(posts[0], "events", posts[0].payload, JSON)["event_id"]]
    body = b"\n".join(post.payload for post in posts)
    results = client.send(posts[0], "events:batch", body, NDJSON)["results"]
    return [result["event_id"] for result in results]


def _seen(client: Doors, view: str, ids: dict[str, float]) -> list[str]:
    listed = ", ".join(f"'{each}'" for each in ids)
    rows = client.ask(f"SELECT event_id FROM {view} WHERE event_id IN ({listed})")["rows"]
    return [row["event_id"] for row in rows]


def percentiles(seconds: list[float]) -> dict[str, float]:
    """The median, the 99th percentile and the worst, rounded."""
    ranked = sorted(seconds)
    places = {"p50": len(ranked) // 2, "p99": len(ranked) * 99 // 100, "max": len(ranked) - 1}
    return {name: round(ranked[place], 2) for name, place in places.items()}


def main() -> int:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=MEAN_PER_S, help="events a second")
    parser.add_argument("--seconds", type=float, default=240.0, help="how long to send")
    parser.add_argument("--profile", choices=PROFILES, help="else BEEJAN_PROFILE says")
    given = parser.parse_args()
    if given.profile:
        choose(given.profile)
    settings = read()
    was_up = up.running(settings) is not None
    up.start(settings)
    try:
        with demo.doors(settings, up.address(settings), {SOURCE}) as client:
            due = list(groups(given.rate, given.seconds, random.Random()))
            took = measure(client, due, time.monotonic, time.sleep)
    finally:
        if not was_up:
            up.stop(settings)
    shown = {view: percentiles(seconds) for view, seconds in took.items() if seconds}
    events = len(took["events"])
    print(
        json.dumps(
            {"rate_per_s": round(given.rate, 2), "events": events, "seconds_after_202": shown}, indent=1
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
