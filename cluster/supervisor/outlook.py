"""Whether the product does what it is there for: what `status` says beside how far things are."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from cluster.home import Home
from cluster.settings import Settings
from cluster.stack import daemon
from cluster.supervisor import processes
from cluster.supervisor.record import Record, files
from cluster.up import address, is_ready, running

BEHIND_S = 60.0
"""Nothing durable waits longer than this to be planned while commits flow."""
DOWN, UP = "down", "up"


class Outlook(NamedTuple):
    """`doors` is an address, or `down`; `trouble` says what does not flow, and what to do; `outages` are the
    last ones, those that still last first."""

    doors: str
    supervisor: dict[str, Any]
    trouble: list[str]
    outages: list[dict[str, Any]]


def outlook(settings: Settings, oldest_unplanned_s: float | None) -> Outlook:
    """What is up at this home. One that was ended on purpose, or never started, has no trouble."""
    known, holder = files(Home(settings.home)), running(settings)
    record = known.read()
    outages = [
        {
            "what": each.what,
            "since": _time(each.since),
            "until": None if each.until is None else _time(each.until),
            "done": each.what_was_done,
        }
        for each in sorted(record.outages, key=lambda one: (one.until is not None, -one.since))
    ]
    if record.wanted == DOWN:
        return Outlook(DOWN, {"state": DOWN}, [], outages)
    state = "gone" if holder is None else "silent" if record.is_silent else UP
    trouble = [*_acknowledging(settings), *_committing(settings, record, oldest_unplanned_s)]
    return Outlook(address(settings), {"state": state, "pid": record.pid} | _hint(state), trouble, outages)


def _acknowledging(settings: Settings) -> list[str]:
    return [] if is_ready(settings) else ["acknowledgements do not flow: no replica takes events"]


def _committing(settings: Settings, record: Record, oldest_unplanned_s: float | None) -> list[str]:
    found = {
        each.name
        for life in record.lives
        if (leader := daemon.named(files(Home(settings.home)).note(life.number)))
        for each in processes.session(leader)
        if not each.is_stopped
    }
    missing = sorted({"driver", "raylet", "sequencer", "memory", "worker"} - found)
    if missing:
        return ["commits do not flow: gone or stopped: " + ", ".join(missing)]
    if oldest_unplanned_s is not None and oldest_unplanned_s > BEHIND_S:
        return [f"commits do not flow: the oldest event waits for {oldest_unplanned_s:.0f} s"]
    return []


def _hint(state: str) -> dict[str, str]:
    return {} if state == UP else {"hint": "`beejan up` starts a supervisor, which takes over what runs"}


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
