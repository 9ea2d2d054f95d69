"""The whole product on one machine, in the background: started, looked at, stopped."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from catalog.errors import BadInput, Unavailable
from cluster.home import Home
from cluster.settings import Settings

START_S = 180.0
STOP_S = 90.0
LOOK_S = 0.2


def address(settings: Settings) -> str:
    """Where the doors are."""
    return f"http://{settings.host}:{settings.port}"


def is_ready(settings: Settings) -> bool:
    """Whether the ingest door takes events."""
    try:
        return httpx.get(f"{address(settings)}/readyz", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def pid(settings: Settings) -> int | None:
    """The process that holds this home up, if one does."""
    try:
        descriptor = os.open(_path(settings), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        noted = os.pread(descriptor, 32, 0).decode()
        return int(noted) if noted.isdigit() else None
    finally:
        os.close(descriptor)
    return None


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """This process holds the home up. Raises BadInput when another one does."""
    Home(settings.home).make()
    descriptor = os.open(_path(settings), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput("this home is up already", hint="`beejan down` stops it") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def start(settings: Settings, **environment: str) -> None:
    """Start everything behind this process, under `environment` too, and wait until the doors answer.

    Raises BadInput when somebody else answers at the address, Unavailable when it does not come up.
    """
    if pid(settings) is None:
        if is_ready(settings):
            raise BadInput("another home is up at this address", hint="set BEEJAN_PORT", at=address(settings))
        Home(settings.home).make()
        with _log(settings).open("ab") as stream:
            command = [sys.executable, "-m", "cluster.cli", "up", "--foreground"]
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env=os.environ | environment,
            )
        running: Callable[[], bool] = lambda: child.poll() is None  # noqa: E731
    else:
        running = lambda: pid(settings) is not None  # noqa: E731
    if not _wait(lambda: is_ready(settings) or not running(), START_S) or not is_ready(settings):
        raise Unavailable("the doors did not come up", hint="its log says why", log=str(_log(settings)))


def stop(settings: Settings) -> bool:
    """Stop it in order: the doors, then what is durable. False when it was not up."""
    running = pid(settings)
    if running is None:
        return False
    os.kill(running, signal.SIGTERM)
    if not _wait(lambda: pid(settings) is None, STOP_S):
        raise Unavailable("it does not stop", hint="its log says why", log=str(_log(settings)), pid=running)
    return True


def _wait(is_so: Callable[[], bool], seconds: float) -> bool:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if is_so():
            return True
        time.sleep(LOOK_S)
    return False


def _path(settings: Settings) -> Path:
    return Home(settings.home).state / "up.lock"


def _log(settings: Settings) -> Path:
    return Home(settings.home).state / "up.log"
