"""The processes of one generation: all of its leader's session, whoever their parent is by now."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from cluster.settings import Settings
from cluster.stack import daemon
from cluster.stack.daemon import Daemon
from cluster.waiting import wait

KILL_S = 5.0
NAMES = {
    "gcs_server": "gcs",
    "raylet": "raylet",
    "dashboard.py": "dashboard",
    "log_monitor.py": "log monitor",
    "monitor.py": "autoscaler monitor",
    "ray::DashboardAgent": "dashboard agent",
    "ray::RuntimeEnvAgent": "runtime agent",
    "ray::ServeController": "serve controller",
    "ray::ProxyActor": "serve proxy",
    "ray::ServeReplica:ingest": "ingest replica",
    "ray::ServeReplica:lookup": "lookup replica",
    "ray::ServeReplica:query": "query replica",
    "ray::SequencerActor": "sequencer",
    "ray::_Memory": "memory",
    "ray::_Worker": "worker",
    "cluster.supervisor.generation": "driver",
    "serve_apps.query.engine": "query process",
}
"""What a command line says, and what people call the process."""
OWN = frozenset(
    {
        *("driver", "gcs", "raylet", "dashboard", "log monitor"),
        *("autoscaler monitor", "dashboard agent", "runtime agent"),
    }
)
"""Those that nobody but a new generation replaces; Ray starts the others again by itself."""


def expected(settings: Settings) -> dict[str, int]:
    """How many of each a generation at work has, of those that Ray starts again by itself."""
    return {
        "ingest replica": settings.ingest_replicas,
        "query replica": 1,
        "lookup replica": 1,
        "serve controller": 1,
        "serve proxy": 1,
        "sequencer": 1,
        "memory": 1,
        "worker": settings.flow_workers,
    }


class Process(NamedTuple):
    """A process as it is now; `is_stopped` by a signal, so that it is alive and does nothing."""

    pid: int
    name: str
    is_stopped: bool


def session(leader: Daemon) -> list[Process]:
    """Every living process of the session that `leader` began, also when the leader itself is gone.

    The kernel gives the leader's number to nobody else while its session lives.
    """
    if leader.boot != daemon.boot() or (not leader.is_alive() and _is_given_away(leader.pid)):
        return []
    found = []
    for each in psutil.process_iter(["cmdline", "status"]):
        with suppress(ProcessLookupError):
            if each.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(each.pid) == leader.pid:
                words = each.info["cmdline"] or [""]
                found.append(Process(each.pid, named(words), each.info["status"] == psutil.STATUS_STOPPED))
    return found


def end(leader: Daemon) -> None:
    """Kill a session, until nothing of it is left."""

    def is_gone() -> bool:
        left = session(leader)
        for each in left:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        return not left

    wait(is_gone, KILL_S)


def named(words: list[str]) -> str:
    """What people call the process with this command line."""
    program = Path(words[0]).name
    for told, name in NAMES.items():
        if told == program or words[0].startswith(told) or any(word.endswith(told) for word in words[1:4]):
            return name
    return "other"


def _is_given_away(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
