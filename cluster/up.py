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

import msgspec
import psutil

from catalog.errors import BadInput, Unavailable
from cluster.home import Home
from cluster.settings import Settings
from cluster.stop import Stop
from cluster.supervisor.record import files, last_words
from cluster.waiting import LOOK_S, wait

START_S = 180.0
STOP_S = 28.0
RESIGN_S = 10.0
LOCK_S = 60.0


class Running(NamedTuple):
    """The supervisor that holds a home up, where its doors are, its profile and its servers' file."""

    pid: int
    address: str
    profile: str
    cluster: str


def address(settings: Settings) -> str:
    """Where the doors are."""
    return f"http://{settings.host}:{settings.port}"


def is_ready(settings: Settings) -> bool:
    """Whether the ingest door takes events."""
    import httpx  # takes long, and most commands ask nobody

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
    """This process holds the home up. Raises BadInput when another one does."""
    Home(settings.home).make()
    descriptor = os.open(_path(settings), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        about = Running(os.getpid(), address(settings), settings.profile, str(settings.cluster.absolute()))
        os.pwrite(descriptor, msgspec.json.encode(about), 0)
        yield
    finally:
        os.close(descriptor)


def hold(settings: Settings, replace: bool) -> None:
    """Supervise everything in this process until SIGTERM; after SIGUSR1 it all goes on without it.

    Raises BadInput when another process holds the home up or the port is taken, Unavailable when nothing
    starts.
    """
    from cluster.supervisor.supervisor import Supervisor

    stopping, resigning = Stop(), Stop()
    stopping.listen()
    resigning.listen(signal.SIGUSR1)
    with held(settings):
        supervisor = Supervisor(settings)
        if not supervisor.adopt():
            require_free(settings)
        supervisor.run(stopping, resigning, replace)


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
                held_by=_who_listens(settings.port),
            ) from None


def _who_listens(port: int) -> str:
    """The process that listens on a port, as far as this account may know."""
    with suppress(psutil.Error):
        for each in psutil.net_connections("inet"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
                return f"{psutil.Process(each.pid).name()} (pid {each.pid})"
    return "another account's process"


def start(settings: Settings, replace: bool = False, **defaults: str) -> bool:
    """Start everything behind this process and wait until the doors answer; False when it was up already.

    A silent supervisor is ended, and a new one goes on with what runs. With `replace`, a new generation takes
    over from the running one. The environment goes before `defaults`. Raises BadInput when the home is up at
    another address or the port is taken, Unavailable when it does not come up. Whatever ends the wait for a
    first start ends what was started.
    """
    found, known = running(settings), files(Home(settings.home)).read()
    if found is not None:
        if found.address != address(settings):
            raise BadInput("this home is up at another address", hint="set BEEJAN_PORT", at=found.address)
        if not replace and not known.is_silent:
            _await_ready(settings, lambda: running(settings) is not None)
            return False
        _make_resign(settings, found.pid)
    takes_over = any(life.is_ready for life in known.lives)
    if not takes_over and not known.proxy_folder:
        require_free(settings)
    Home(settings.home).make()
    with _log(settings).open("ab") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "cluster.cli", "up", "--foreground", *(["--replace"] if replace else [])],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=defaults | dict(os.environ),
        )
    try:
        _await_ready(settings, lambda: child.poll() is None, child.pid)
    except BaseException:  # also Ctrl-C: nothing started here outlives the wait for it
        if not takes_over:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_S)
        raise
    return True


def stop(settings: Settings) -> bool:
    """Stop it in order: the doors, then what is durable. False when nothing was up. Ends everything in time,
    also without a supervisor, or with one that does not answer."""
    found = running(settings)
    if found is not None:
        with suppress(ProcessLookupError):  # it ended by itself
            os.kill(found.pid, signal.SIGTERM)
        if wait(lambda: running(settings) is None, STOP_S):
            return True
        os.kill(found.pid, signal.SIGKILL)
        wait(lambda: running(settings) is None, STOP_S)
    was_up = files(Home(settings.home)).read().wanted == "up"
    if was_up:
        from cluster.supervisor.supervisor import Supervisor

        with held(settings):
            supervisor = Supervisor(settings)
            supervisor.adopt()
            supervisor.end(drain=found is None)
    return was_up


def _make_resign(settings: Settings, pid: int) -> None:
    """End a supervisor and leave what it supervises running."""
    os.kill(pid, signal.SIGUSR1)
    if not wait(lambda: running(settings) is None, RESIGN_S):
        os.kill(pid, signal.SIGKILL)
        wait(lambda: running(settings) is None, RESIGN_S)


def _await_ready(settings: Settings, is_alive: Callable[[], bool], pid: int = 0) -> None:
    """Until the doors answer and, where a process is named, one generation is ready under its supervision."""
    known = files(Home(settings.home))

    def is_up() -> bool:
        record = known.read()
        is_whole = [life.is_ready for life in record.lives] == [True]
        return (not pid or (record.pid == pid and is_whole)) and is_ready(settings)

    if not wait(lambda: is_up() or not is_alive(), START_S) or not is_alive():
        hint = last_words(_log(settings)) or f"see {_log(settings)}"
        raise Unavailable("the product did not come up", hint=hint)


def _path(settings: Settings) -> Path:
    return Home(settings.home).state / "up.lock"


def _log(settings: Settings) -> Path:
    return Home(settings.home).state / "up.log"
