"""One server in the background: started, told from a stranger with the same number, stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cluster.waiting import wait

_NOTE = 'cd / && cat /proc/$$/stat /proc/sys/kernel/random/boot_id >"$0.new" && mv "$0.new" "$0" && exec "$@"'
"""The process notes itself before it becomes the server: no moment in which it runs and nobody knows. It
leaves the caller's folder, where some programs look for settings first; its paths are absolute."""
_STATE, _PARENT, _START = 0, 1, 19
"""Fields of /proc/PID/stat behind the name."""
NOTED_S = 60.0


class Daemon(NamedTuple):
    """A process by its number, the tick it started at, and the boot that counts the ticks."""

    pid: int
    started: int
    boot: str

    def is_alive(self) -> bool:
        """Whether it runs; a number that was given to another process since is not it."""
        folder = Path(f"/proc/{self.pid}")
        try:
            facts = _stat((folder / "stat").read_text())
            # Of a dying server the first thread is gone while the others still hold its files and ports.
            is_over = facts[_STATE] in "ZX" and len(list((folder / "task").iterdir())) < 2
        except (FileNotFoundError, ProcessLookupError):
            return False
        if int(facts[_START]) != self.started or self.boot != boot():
            return False
        if is_over:
            with suppress(ChildProcessError):  # a child of ours, or its new parent's to bury
                os.waitpid(self.pid, os.WNOHANG)
        return not is_over

    def is_forgotten(self) -> bool:
        """Whether its number is free: that of a process that ended is not until its parent has looked."""
        return not Path(f"/proc/{self.pid}").exists()

    def send(self, number: signal.Signals) -> None:
        """A signal to it, and to nobody else."""
        with suppress(ProcessLookupError):
            if self.is_alive():
                os.kill(self.pid, number)

    def peak_bytes(self) -> int:
        """The most memory that it and its children ever held, each counted alone; 0 once it is gone."""
        return sum(_peak_bytes(pid) for pid in family(self.pid))


def start(note: Path, log: Path, command: tuple[str, ...], environment: Mapping[str, str]) -> Daemon:
    """Run a command in a session of its own; what it says goes to `log`, what it was is in `note`."""
    if log.exists():
        log.replace(log.with_suffix(".before"))
    note.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _NOTE, str(note), *command],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    made = Daemon(pid, int(_stat(Path(f"/proc/{pid}/stat").read_text())[_START]), boot())
    # Before anybody else may look: who found no note would start another.
    wait(lambda: named(note) == made or not made.is_alive(), NOTED_S)
    return made


def own_note() -> str:
    """A note that names this process."""
    return f"{Path('/proc/self/stat').read_text()}{boot()}\n"


def named(note: Path) -> Daemon | None:
    """The process that a note names, whether it still runs or not."""
    try:
        stat, _, boot = note.read_text().strip().rpartition("\n")
        return Daemon(int(stat.partition(" ")[0]), int(_stat(stat)[_START]), boot)
    except (FileNotFoundError, ValueError, IndexError):  # none, or what a power cut left of it
        return None


def noted(note: Path) -> Daemon | None:
    """The process that a note names, if it still runs."""
    found = named(note)
    return found if found is not None and found.is_alive() else None


def family(pid: int) -> list[int]:
    """A process and everything that descends from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            children.setdefault(int(_stat(path.read_text())[_PARENT]), []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def _stat(line: str) -> list[str]:
    """The fields behind the name, which may hold blanks and brackets itself."""
    return line.rpartition(")")[2].split()


def boot() -> str:
    """What names this start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _peak_bytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
