"""Keeps one home up: a proxy, and behind it the newest generation of Ray.

One turn, once a second; each step is safe to repeat, and a supervisor that comes after this one goes on from
the record and the notes of the processes:

1. A process of ours that a signal stopped is killed: it would hold up the others as long as it lives.
2. A proxy that is gone or silent is started again.
3. A generation that cannot mend itself is replaced: a new one starts beside it, the proxy turns to the new
   one when that is ready, then the old one ends.
4. The record says what was seen.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from catalog.clock import SystemClock
from catalog.errors import BeejanError, Unavailable
from cluster.home import Home
from cluster.settings import PROFILES, Settings, environment
from cluster.stack import daemon
from cluster.stack.daemon import Daemon
from cluster.stack.stack import free_ports, free_range
from cluster.stack.watch import ServerState, Watch
from cluster.supervisor import processes
from cluster.supervisor.processes import OWN, Process
from cluster.supervisor.proxy import Listening, Proxy
from cluster.supervisor.record import HEARTBEAT, READY, Files, Life, Record, files, last_words
from cluster.waiting import wait

TURN_S = 1.0
START_S = 180.0
"""A generation that is not ready by then is given up."""
SILENT_S = 20.0
"""A driver whose heartbeat is older than this is replaced, as is a generation without a ready replica."""
DRAIN_S = 24.0
"""What an ending generation gets to decide what is durable."""
MEND_S = 30.0
"""What Ray gets to start one of its own again."""
TOLD_S = 2.0
"""What is away for shorter is no outage."""
FIRST_TRIES = 2
"""More starts for a first generation that ends without a reason: on a very busy machine Ray gives up."""
RETRY_S = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Pauses between generations that do not start."""
TEMPORARY = "/tmp"
"""Holds a folder of our own a life, wherever TMPDIR is: the name of a socket has to be short."""
log = logging.getLogger(__name__)


class Supervisor:
    """Owns the home's processes. Begins with those of an earlier supervisor, if they live."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        Home(settings.home).make()
        self._files: Files = files(Home(settings.home))
        self._files.proxy_note.parent.mkdir(exist_ok=True)
        self._record: Record = self._files.read()
        self._stopped: set[int] = set()
        self._misses = 0
        self._missing_s: dict[str, float] = {}
        self._known: dict[int, str] = {}
        self._failures = 0
        self._next_try_s = 0.0
        self._replace = False
        self._had_raylet = 0
        self._watch = Watch(settings, SystemClock())
        record = self._record
        record.proxy_folder = record.proxy_folder or _folder_name()
        record.metrics_port = record.metrics_port or free_ports(1)[0]
        self._proxy = Proxy(Path(record.proxy_folder), self._files.proxy_note, self._files.proxy_log)
        self._was_ready = any(life.is_ready for life in record.lives)

    def adopt(self) -> bool:
        """Go on with what an earlier supervisor left; False when its proxy does not listen any more."""
        for life in list(self._record.lives):
            if self._leader(life) is None or not life.is_ready:
                self._forget(life)
        if not self._record.lives:
            self._proxy.stop(1.0)
        return self._proxy.process is not None

    def run(self, stopping: Callable[[], bool], resigning: Callable[[], bool], replace: bool) -> None:
        """Turn until told to stop, then end everything in order; or, told to resign, leave all of it running.

        With `replace`, a new generation takes over from the one that was found. Raises Unavailable where the
        first generation does not start; nothing is left then.
        """
        self._record.wanted, self._record.pid = "up", os.getpid()
        self._replace = replace and bool(self._record.lives)
        try:
            self._write_proxy()
            if self._proxy.process is None:
                self._proxy.start()
            else:
                self._proxy.reload()
            while not stopping() and not resigning():
                started_s = time.monotonic()
                self._turn()
                time.sleep(max(0.0, TURN_S - (time.monotonic() - started_s)))
        except BaseException:
            self.end(drain=False)
            raise
        if stopping():
            self.end()

    def _turn(self) -> None:
        self._kill_stopped()
        self._keep_proxy()
        self._keep_generation()
        self._keep_servers()
        self._save()

    # 1. Stopped processes.

    def _kill_stopped(self) -> None:
        seen = set()
        for each in self._processes():
            if each.is_stopped:
                seen.add(each.pid)
                if each.pid in self._stopped:
                    self._record.begin(f"stopped by a signal: {each.name}", "killed")
                    log.warning("the %s was stopped by a signal and is killed", each.name)
                    with suppress(ProcessLookupError):
                        os.kill(each.pid, signal.SIGKILL)
        self._stopped = seen
        if not seen:
            self._finish("stopped by a signal")

    def _processes(self) -> list[Process]:
        found = [each for life in self._record.lives for each in self._session(life)]
        if proxy := self._proxy.process:
            found.extend(each._replace(name="proxy") for each in processes.session(proxy))
        return found

    # 2. The proxy.

    def _keep_proxy(self) -> None:
        if self._proxy.process is not None and self._proxy.answers():
            self._misses = 0
            self._record.finish("proxy")
            return
        self._misses += 1
        if self._proxy.process is None or self._misses > 2:
            self._record.begin("proxy", "started again")
            log.warning("the proxy is gone or silent and is started again")
            self._proxy.stop(0.0)
            try:
                self._proxy.start()
            except Unavailable as error:  # tried again in the next turn; somebody may hold the figures' port
                log.warning("the proxy does not start: %s", error.hint)
                self._record.metrics_port = free_ports(1)[0]
                self._write_proxy()

    def _write_proxy(self, closed: str = "") -> None:
        settings, ready = self._settings, [life for life in self._record.lives if life.is_ready]
        ports = range(ready[-1].first_port, ready[-1].first_port + ready[-1].ports) if ready else ()
        at = Listening(settings.host, settings.port, self._record.metrics_port, closed)
        self._proxy.write(at, ports)

    # 3. The generation.

    def _keep_generation(self) -> None:
        lives = self._record.lives
        if lives and not lives[-1].is_ready:
            self._await(lives[-1])
        elif not lives:
            self._begin()
        elif self._replace or (trouble := self._trouble(lives[-1])):
            what = "replaced on request" if self._replace else trouble
            self._replace = False
            self._record.begin("generation: " + what, "a new generation takes over")
            log.warning("a new generation takes over: %s", what)
            self._begin()
        for life in lives[:-1]:
            if lives[-1].is_ready or self._leader(life) is None:
                self._retire(life)

    def _begin(self) -> None:
        if time.monotonic() < self._next_try_s:
            return
        record, settings = self._record, self._settings
        count = 2 * (settings.ingest_replicas + 2) + 4
        number = max([life.number for life in record.lives], default=0) + 1
        life = Life(number, _folder_name(), free_range(count), count, free_ports(1)[0], time.time())
        record.lives.append(life)
        self._save()  # whoever comes after knows the folder before it is there
        Path(life.folder).mkdir(mode=0o700)
        given = [life.folder, str(life.first_port), str(life.ports), str(life.proxy_port)]
        command = (sys.executable, "-m", "cluster.supervisor.generation", *given)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        path = os.pathsep.join(str(Path(each).resolve()) for each in sys.path)
        told = inherited | environment(settings) | {"PYTHONPATH": path}
        daemon.start(self._files.note(number), self._files.log(number), command, told)

    def _await(self, life: Life) -> None:
        if Path(life.folder, READY).exists() and self._leader(life) is not None:
            life.is_ready = self._was_ready = True
            self._failures = 0
            self._write_proxy()
            self._proxy.reload()
            self._missing_s.clear()
            self._known.clear()
            self._finish("")
        elif self._leader(life) is None or self._is_broken(life) or time.time() - life.started > START_S:
            log_file = self._files.log(life.number)
            cause = last_words(log_file)
            self._forget(life)
            if not self._was_ready and (cause or self._failures == FIRST_TRIES):
                raise Unavailable("the product did not start", hint=cause or f"see {log_file}")
            log.warning("a generation did not start and is tried again: %s", cause or f"see {log_file}")
            self._next_try_s = time.monotonic() + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
            self._failures += 1

    def _is_broken(self, life: Life) -> bool:
        """Whether Ray's own process ended while it started, which its driver would wait out."""
        is_there = any(each.name == "raylet" for each in self._session(life))
        was_there, self._had_raylet = self._had_raylet == life.number, life.number if is_there else 0
        return was_there and not is_there

    def _trouble(self, life: Life) -> str:
        """Why a generation that was ready has to be replaced; empty when it has not."""
        living = self._session(life)
        found = Counter(each.name for each in living)
        if missing := sorted(OWN - found.keys()):
            return "gone: " + ", ".join(missing)
        silent_s = time.time() - Path(life.folder, HEARTBEAT).stat().st_mtime
        if silent_s > SILENT_S:
            return f"the driver says nothing for {silent_s:.0f} s"
        settings, up = self._settings, self._proxy.up()
        expected = processes.expected(settings)
        short = {name for name, count in expected.items() if found[name] < count}
        short |= {f"{name} application" for name in ("ingest", "query") if not up[name]}
        # Also what came back between two turns was away.
        known, self._known = self._known, {each.pid: each.name for each in living if each.name in expected}
        for name in {known[pid] for pid in known.keys() - self._known.keys()}:
            self._record.begin(name, "Ray starts it again")
        for outage in self._record.open_outages:
            if outage.what in expected and outage.what not in short:
                self._record.finish(outage.what)
        for name in [*self._missing_s.keys() - short]:
            del self._missing_s[name]
            self._record.finish(name)
        for name in short:
            since_s = self._missing_s.setdefault(name, time.monotonic())
            away_s = time.monotonic() - since_s
            if away_s > TOLD_S:
                self._record.begin(name, "Ray starts it again")
            if away_s > MEND_S:
                return f"no {name} for {away_s:.0f} s"
        return ""

    def _retire(self, life: Life) -> None:
        """End a generation, in order where that is possible; looked at again in the next turn."""
        leader = self._leader(life)
        if leader is not None and life.ending is None:
            life.ending = time.time()
            leader.send(signal.SIGTERM)
        elif leader is None or time.time() - (life.ending or 0.0) > DRAIN_S:
            self._forget(life)

    def _forget(self, life: Life) -> None:
        """Nothing of it is left: no process, no file, no entry."""
        note = self._files.note(life.number)
        if leader := daemon.named(note):
            processes.end(leader)
        shutil.rmtree(life.folder, ignore_errors=True)
        note.unlink(missing_ok=True)
        self._record.lives.remove(life)

    def _leader(self, life: Life) -> Daemon | None:
        return daemon.noted(self._files.note(life.number))

    def _session(self, life: Life) -> list[Process]:
        leader = daemon.named(self._files.note(life.number))
        return [] if leader is None else processes.session(leader)

    def _finish(self, what: str) -> None:
        for outage in self._record.open_outages:
            if outage.what.startswith(what):
                self._record.finish(outage.what)

    # 4. Servers of `stack up`, which the watch starts again.

    def _keep_servers(self) -> None:
        for server in self._look_at_servers():
            what = f"server {server.name}"
            if server.state == "up":
                self._record.finish(what)
            else:
                self._record.begin(what, "started again")

    def _look_at_servers(self) -> list[ServerState]:
        if self._settings.profile == PROFILES[0]:
            return []
        try:
            return self._watch.look()
        except BeejanError as error:  # of another version: somebody else's to mend
            log.warning("the servers are not watched: %s", error)
            return []

    # The end.

    def end(self, drain: bool = True) -> None:
        """End everything. With `drain` in order: no new request, then what is durable is decided."""
        self._record.wanted = "down"
        self._save()
        if drain:
            self._write_proxy("draining")
            self._proxy.reload()
            for life in self._record.lives:
                if leader := self._leader(life):
                    leader.send(signal.SIGTERM)
            wait(lambda: not any(map(self._leader, self._record.lives)), DRAIN_S)
        for life in list(self._record.lives):
            self._forget(life)
        self._proxy.stop(1.0)
        shutil.rmtree(self._record.proxy_folder, ignore_errors=True)
        self._record.proxy_folder, self._record.metrics_port = "", 0
        self._finish("")
        self._save()

    def _save(self) -> None:
        self._record.heartbeat = time.time()
        self._files.write(self._record)


def _folder_name() -> str:
    return f"{TEMPORARY}/beejan-{secrets.token_hex(4)}"
