"""The whole product on one machine, in the background: started, looked at, stopped."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from catalog.errors import BadInput, Unavailable
from cluster.home import Home
from cluster.settings import Settings
from cluster.waiting import LOOK_S, wait

START_S = 180.0
STOP_S = 90.0
LOCK_S = 60.0


class Running(NamedTuple):
    """The process that holds a home up, where its doors are, and under which profile and on which servers."""

    pid: int
    address: str
    profile: str
    cluster: str


def address(settings: Settings) -> str:
    """Where the doors are."""
    return f"http://{settings.host}:{settings.port}"


def is_ready(settings: Settings) -> bool:
    """Whether the ingest door takes events."""
    try:
        # Past any proxy: it is this machine.
        return httpx.get(f"{address(settings)}/readyz", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def running(settings: Settings) -> Running | None:
    """Who holds this home up, if anybody does."""
    try:
        descriptor = os.open(_path(settings), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _told(os.pread(descriptor, 8_192, 0))
    finally:
        os.close(descriptor)
    return None


def latest(settings: Settings) -> Running | None:
    """Who holds this home up, or held it up last."""
    with suppress(FileNotFoundError):
        return _told(_path(settings).read_bytes())
    return None


def _told(note: bytes) -> Running | None:
    """None for a note without content, another version's, or what a power cut left of one."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(note, type=Running)
    return None


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """This process holds the home up. Raises BadInput when another one does, or the port is taken."""
    Home(settings.home).make()
    descriptor = os.open(_path(settings), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        require_free(settings)
        about = Running(os.getpid(), address(settings), settings.profile, str(settings.cluster.absolute()))
        os.pwrite(descriptor, msgspec.json.encode(about), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Raises BadInput when another one holds the home up. Who asks whether somebody does shares the lock for
    a moment, which is waited for however many ask; but not for one who asked and was stopped in it."""
    until_s = time.monotonic() + LOCK_S
    while not _is_locked(descriptor, fcntl.LOCK_EX):
        if not _is_locked(descriptor, fcntl.LOCK_SH):
            raise BadInput("this home is up already", hint="`beejan down` stops it")
        if time.monotonic() > until_s:
            raise BadInput("others only ask whether this home is up, and do not end", hint="end them")
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(random.uniform(0, LOOK_S))  # two that come at once do not meet again


def _is_locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def require_free(settings: Settings) -> None:
    """Raises BadInput when the doors cannot listen where they should."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((settings.host, settings.port))
        except OSError as error:
            raise BadInput(
                f"the doors cannot listen: {error.strerror}",
                hint="set BEEJAN_PORT (or BEEJAN_HOST) to another one",
                at=address(settings),
            ) from None


def start(settings: Settings, **defaults: str) -> bool:
    """Start everything behind this process and wait until the doors answer; False when it was up already.

    The environment goes before `defaults`. Raises BadInput when the home is up at another address or the
    port is taken, Unavailable when it does not come up. Whatever ends the wait ends what was started.
    """
    found = running(settings)
    if found is not None:
        if found.address != address(settings):
            raise BadInput("this home is up at another address", hint="set BEEJAN_PORT", at=found.address)
        _await_doors(settings, lambda: running(settings) is not None)
        return False
    require_free(settings)
    Home(settings.home).make()
    with _log(settings).open("ab") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "cluster.cli", "up", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=defaults | {"RAY_COLOR_PREFIX": "0"} | os.environ,
        )
    try:
        _await_doors(settings, lambda: child.poll() is None)
    except BaseException:  # also Ctrl-C: nothing started here outlives the wait for it
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_S)
        raise
    return True


def stop(settings: Settings) -> bool:
    """Stop it in order: the doors, then what is durable. False when it was not up."""
    found = running(settings)
    if found is None:
        return False
    with suppress(ProcessLookupError):  # it ended by itself
        os.kill(found.pid, signal.SIGTERM)
    if not wait(lambda: running(settings) is None, STOP_S):
        raise Unavailable("it does not stop", hint="its log says why", log=str(_log(settings)), pid=found.pid)
    return True


def _await_doors(settings: Settings, is_alive: Callable[[], bool]) -> None:
    if not wait(lambda: is_ready(settings) or not is_alive(), START_S) or not is_alive():
        raise Unavailable("the doors did not come up", hint="its log says why", log=str(_log(settings)))


def _path(settings: Settings) -> Path:
    return Home(settings.home).state / "up.lock"


def _log(settings: Settings) -> Path:
    return Home(settings.home).state / "up.log"
