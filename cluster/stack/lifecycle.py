"""The order in which the servers come up and go down."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGQUIT, SIGTERM, Signals
from typing import NamedTuple

import httpx
import psycopg

from catalog.clock import Clock
from catalog.errors import Unavailable
from catalog.lake.shared import make_catalog
from cluster.settings import Settings
from cluster.stack import daemon, distribution, postgres, seaweed, trino
from cluster.stack.daemon import Daemon
from cluster.stack.server import Server
from cluster.stack.stack import ADDRESS, DATABASES, FILE, Stack
from cluster.stack.superset import assets
from cluster.stack.superset import installed as environment
from cluster.stack.superset import server as superset
from cluster.stack.superset.api import entered
from cluster.stack.superset.server import Superset
from cluster.waiting import alone, wait
from serve_apps.query.engine.trino import FAILURES

LISTEN_S = 3
END_S = 30.0
FORGOTTEN_S = 10.0
NAMES = ("postgres", "seaweed", "trino")
"""What `up` starts, in this order."""


class Stop(NamedTuple):
    """What a server is told, how long it may take, and what ends it then."""

    told: Signals
    seconds: float
    ended: Signals


STOPS = {
    "superset": Stop(SIGTERM, 30.0, SIGKILL),
    "trino": Stop(SIGTERM, 60.0, SIGKILL),
    # Its parts can wait for each other for ever. Ending it loses nothing: what it answered for is synced.
    "seaweed": Stop(SIGTERM, 10.0, SIGKILL),
    # Open transactions end and the files are left clean; or it reads its journal next time.
    "postgres": Stop(SIGINT, 180.0, SIGQUIT),
}
"""In this order: whoever uses another goes first."""


class Launch(NamedTuple):
    """A server, and what is done before it is started."""

    server: Server
    prepare: Callable[[], None]


class Standing(NamedTuple):
    """What a server is doing: `pid` is 0 when it does not run, `peak_bytes` the most memory it ever held.
    One that `answers` says something within LISTEN_S, be it a refusal."""

    name: str
    pid: int
    answers: bool
    port: int
    peak_bytes: int
    log: str


def up(settings: Settings, clock: Clock) -> list[str]:
    """Start what does not run and wait until it serves; the names of what was started.

    Raises Unavailable when a server does not come up; what came up stays.
    """
    folder = settings.stack.absolute()
    with _alone(folder):
        stack = Stack.open(folder) if (folder / FILE).exists() else Stack.create(folder)
        database, store, engine = (_launch(settings, stack, clock, name) for name in NAMES)
        started: list[str] = []
        # 1. Both stores come up side by side.
        database_process = _start(stack, *database, started)
        store_process = _start(stack, *store, started)
        _await(stack, database.server, database_process)
        # 2. The catalog has its tables before Trino sees it.
        postgres.make_databases(stack, {name: stack.passwords[name] for name in DATABASES})
        make_catalog(stack.database("catalog"))
        _await(stack, store.server, store_process)
        # 3. Trino, over both.
        engine_process = _start(stack, *engine, started)
        _await(stack, engine.server, engine_process)
        return started


def restart(settings: Settings, clock: Clock, name: str, pid: int) -> bool:
    """Start a server again that has ended, or hangs as the process `pid`; False when there is nothing to do,
    since it was stopped in order or somebody started it meanwhile. Does not wait until it serves.

    Raises Unavailable for a process that does not end.
    """
    folder = settings.stack.absolute()
    with _alone(folder):
        stack = Stack.open(folder)
        found = started(stack, name)
        if found is None or found.pid != pid:
            return False
        found.send(SIGKILL)
        if not wait(lambda: not found.is_alive(), END_S):
            raise Unavailable(f"{name} does not end", hint="is its disk hanging?", pid=pid)
        _start(stack, *_launch(settings, stack, clock, name), [])
        return True


def _launch(settings: Settings, stack: Stack, clock: Clock, name: str) -> Launch:
    if name == "postgres":
        return Launch(postgres.server(stack), partial(postgres.prepare, stack))
    if name == "seaweed":
        return Launch(seaweed.server(stack), partial(seaweed.prepare, stack))
    tarball = Path(settings.trino_tarball) if settings.trino_tarball else None
    installed = distribution.installed(settings.cache_folder, tarball)
    return Launch(trino.server(stack, installed), partial(trino.prepare, stack, clock))


def up_superset(settings: Settings) -> tuple[Superset, list[str]]:
    """Start Superset over a stack that is up, if it does not run, and give it its connection, datasets and
    dashboard, over those that it has; what a client needs to know, and the names of what was started.

    Raises Unavailable when the stack is not up, when Superset cannot be installed or does not come up.
    """
    folder = settings.stack.absolute()
    # An install takes minutes: who would wait for it in vain hears so before.
    if away := [each.name for each in status(settings) if each.name != "superset" and not each.answers]:
        raise Unavailable("the stack is not up", hint="`beejan stack up` first", away=", ".join(away))
    stack = Stack.open(folder)
    programs = environment.installed(settings.cache_folder)
    with _alone(folder):
        given = Superset.open(stack) if (folder / superset.FILE).exists() else Superset.create(stack)
        started: list[str] = []
        postgres.make_databases(stack, {superset.DATABASE: given.password})
        page = superset.server(given, programs)
        process = _start(stack, page, partial(superset.prepare, stack, given), started)
        _await(stack, page, process)
        with entered(given, given.admin) as api:
            api.give(assets.bundle(stack), {assets.DATABASE: stack.users[given.admin]})
        return given, started


def down(settings: Settings, names: Iterable[str] = STOPS) -> list[str]:
    """Stop what runs of these, one after the other; the names of what was stopped.

    Raises Unavailable for what does not stop.
    """
    folder = settings.stack.absolute()
    if not (folder / FILE).exists():
        return []
    with _alone(folder):
        stack = Stack.open(folder)
        return [name for name in names if _stop(stack, name)]


def status(settings: Settings) -> list[Standing]:
    """Each server, in the order in which they start. Raises Unavailable when there is no stack."""
    stack = Stack.open(settings.stack.absolute())
    found = []
    for name in reversed(STOPS):
        process = _living(stack, name)
        if name == "superset" and process is None:
            continue  # not everybody wants it
        pid, peak = (process.pid, process.peak_bytes()) if process else (0, 0)
        port = _port(stack, name)
        found.append(
            Standing(name, pid, pid > 0 and answers(stack, name), port, peak, str(_log(stack, name)))
        )
    return found


def started(stack: Stack, name: str) -> Daemon | None:
    """The process that a server was started as, whether it lives or not; None when it never was, or was
    stopped in order since."""
    return daemon.named(_note(stack, name))


def answers(stack: Stack, name: str) -> bool:
    """Whether a server works, with LISTEN_S a request: PostgreSQL lets us in, the store reads an object,
    Trino answers a query."""
    try:
        if name == "postgres":
            postgres.connect(stack).close()
        elif name == "trino":
            with trino.connection(stack, "pipeline", LISTEN_S) as client:
                client.cursor().execute("SELECT 1").fetchall()
        elif name == "seaweed":
            return seaweed.answers(stack, LISTEN_S)
        else:
            httpx.get(f"http://{ADDRESS}:{_port(stack, name)}/", timeout=LISTEN_S, trust_env=False)
    except (psycopg.Error, httpx.HTTPError, *FAILURES):
        return False
    return True


def _port(stack: Stack, name: str) -> int:
    if name == "superset":
        return Superset.open(stack).port
    return stack.ports.s3 if name == "seaweed" else int(getattr(stack.ports, name))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One starts or stops at a time. Others may pass through a folder of root's, and read nothing in it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    for name in ("logs", "run"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    with alone(folder / "run" / "lock"):
        yield


def _start(stack: Stack, server: Server, prepare: Callable[[], None], started: list[str]) -> Daemon:
    """The process of a server; when it does not run it is prepared and started, and its name noted."""
    found = daemon.named(_note(stack, server.name))
    if found is not None and found.is_alive():
        return found
    if found is not None:  # its own lock file goes by the number, which somebody has yet to free
        wait(found.is_forgotten, FORGOTTEN_S)
    prepare()
    started.append(server.name)
    log, note = _log(stack, server.name), _note(stack, server.name)
    return daemon.start(note, log, server.command, server.environment)


def _await(stack: Stack, server: Server, process: Daemon) -> None:
    """Raises Unavailable when it ends, or does not serve in its time."""
    trouble = "it ended"

    def is_over() -> bool:
        nonlocal trouble
        try:
            server.answers()
        except Exception as error:  # noqa: BLE001 every client has errors of its own
            trouble = type(error).__name__
            return not process.is_alive()
        return True

    # What answers may be another's: ours must live.
    if not wait(is_over, server.start_s) or not process.is_alive():
        raise Unavailable(
            f"{server.name} does not come up",
            hint="its log says why; another program may hold its port",
            log=str(_log(stack, server.name)),
            port=server.port,
            last=trouble,
        )


def _stop(stack: Stack, name: str) -> bool:
    found = _living(stack, name)
    if found is not None:
        stop = STOPS[name]
        found.send(stop.told)
        if not wait(lambda: not found.is_alive(), stop.seconds):
            found.send(stop.ended)
            found.send(SIGCONT)
        if not wait(lambda: not found.is_alive(), END_S):
            raise Unavailable(f"{name} does not stop", hint="its log says why", log=str(_log(stack, name)))
    _note(stack, name).unlink(missing_ok=True)  # nobody brings it back
    return found is not None


def _living(stack: Stack, name: str) -> Daemon | None:
    return daemon.noted(_note(stack, name))


def _note(stack: Stack, name: str) -> Path:
    return Path(stack.folder, "run", f"{name}.pid")


def _log(stack: Stack, name: str) -> Path:
    return stack.logs / f"{name}.log"
