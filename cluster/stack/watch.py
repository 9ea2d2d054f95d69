"""Brings a server of the stack back that was killed or hangs, until `stack down` ends it.

`Watch.look` is called about once a second by whoever watches over the rest. It reads process files and the
results of checks that run beside it, and never waits for a server.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from catalog.clock import Clock
from cluster.settings import Settings
from cluster.stack import lifecycle
from cluster.stack.stack import FILE, Stack

SILENT_S = {"postgres": 20.0, "seaweed": 20.0, "trino": 60.0}
"""A server that runs and did not answer for so long hangs: it is killed and started again. Trino may collect
garbage for many seconds."""
CHECK_S = 2.0
"""Between two checks."""
STARTING_S = 600.0
"""A server that just started may be silent for so long."""
AGAIN_S = (0.0, 2.0, 5.0, 15.0, 60.0)
"""Waits before a server that ends again and again is started: the last one is for all that follow."""

State = Literal["up", "starting", "silent", "away"]
log = logging.getLogger(__name__)


class ServerState(NamedTuple):
    """One server: `up`, `starting` until its first answer, `silent` while it runs and answers nothing for too
    long, `away` while it does not run. `restarts` counts those of this watch."""

    name: str
    state: State
    pid: int
    restarts: int


class Watch:
    """Watches the servers that `stack up` started in one folder. Used by one thread; what it began ends with
    the process, the servers do not."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._folder, self._clock = settings.stack.absolute(), clock
        restart = partial(lifecycle.restart, settings, clock)
        self._watched = [_Watched(name, partial(restart, name)) for name in lifecycle.NAMES]

    def look(self) -> list[ServerState]:
        """What each server does; begins what has to be done. Empty where no stack was started, or where
        `stack down` ended it. Raises WrongVersion for a stack of another version."""
        if not (self._folder / FILE).exists():
            return []
        stack, now_s = Stack.open(self._folder), self._clock.elapsed_s()
        return [state for each in self._watched if (state := each.look(stack, now_s)) is not None]


class _Beside:
    """One piece of work in a thread that keeps no process from ending."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self.has_ended = False
        self.result = False
        self.trouble: Exception | None = None
        threading.Thread(target=self._run, args=(work,), daemon=True, name="watch-stack").start()

    def _run(self, work: Callable[[], bool]) -> None:
        try:
            self.result = work()
        except Exception as error:  # noqa: BLE001 whoever looks is told
            self.trouble = error
        self.has_ended = True


class _Watched:
    """One server, seen again and again."""

    def __init__(self, name: str, restart: Callable[[int], bool]) -> None:
        self._name, self._restart = name, restart
        self._pid = self._restarts = self._in_a_row = 0
        self._has_answered = False
        self._heard_s = self._next_check_s = self._next_restart_s = 0.0
        self._check: _Beside | None = None
        self._restarting: _Beside | None = None

    def look(self, stack: Stack, now_s: float) -> ServerState | None:
        """None for a server that nobody started, or that was stopped in order."""
        process = lifecycle.started(stack, self._name)
        if process is None:
            return None
        if process.pid != self._pid:
            self._pid, self._heard_s = process.pid, now_s
            self._has_answered, self._check = False, None
        is_alive = process.is_alive()
        if is_alive:
            self._listen(stack, now_s)
        state = self._state(is_alive, now_s)
        if state in ("away", "silent"):
            self._bring_back(process.pid, now_s)
        return ServerState(self._name, state, process.pid, self._restarts)

    def _state(self, is_alive: bool, now_s: float) -> State:
        if not is_alive:
            return "away"
        patience_s = SILENT_S[self._name] if self._has_answered else STARTING_S
        if now_s - self._heard_s > patience_s:
            return "silent"
        return "up" if self._has_answered else "starting"

    def _listen(self, stack: Stack, now_s: float) -> None:
        """One check at a time, each with a time limit of its own."""
        if self._check is not None and self._check.has_ended:
            if self._check.result:
                self._has_answered, self._heard_s, self._in_a_row = True, now_s, 0
            self._check, self._next_check_s = None, now_s + CHECK_S
        if self._check is None and now_s >= self._next_check_s:
            self._check = _Beside(partial(lifecycle.answers, stack, self._name))

    def _bring_back(self, pid: int, now_s: float) -> None:
        if self._restarting is not None:
            if not self._restarting.has_ended:
                return
            if self._restarting.trouble is not None:
                log.error("%s cannot be started again: %s", self._name, self._restarting.trouble)
            self._restarting = None
        if now_s >= self._next_restart_s:
            log.warning("%s does not run or does not answer, and is started again", self._name)
            self._restarts, self._in_a_row = self._restarts + 1, self._in_a_row + 1
            self._next_restart_s = now_s + AGAIN_S[min(self._in_a_row, len(AGAIN_S) - 1)]
            self._restarting = _Beside(partial(self._restart, pid))
