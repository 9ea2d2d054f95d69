"""Where a process can be made to die, stop or fail on purpose, and what each leaves behind.

Every numbered step of a protocol names its own point by calling `hit`. Unarmed, a hit costs one look at
a module variable. `name:action@k` arms the k-th hit of one point with one of `ACTIONS`.
"""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable
from typing import NamedTuple

from catalog.errors import BadInput


class Failpoint(NamedTuple):
    """One place: the step it belongs to, and what a crash there leaves behind."""

    name: str
    step: str
    leaves: str


REGISTRY: dict[str, Failpoint] = {
    point.name: point
    for point in (
        Failpoint("log.created", "open a segment", "a hidden file that no reader lists"),
        Failpoint("log.named", "open a segment", "an empty segment whose name may not survive a power cut"),
        Failpoint(
            "log.written", "flush a group", "frames past the durable offset, maybe torn, none acknowledged"
        ),
        Failpoint("log.synced", "flush a group", "durable frames that were not acknowledged"),
        Failpoint("log.published", "flush a group", "durable, published frames that were not acknowledged"),
        Failpoint("log.footer", "seal a segment", "a complete segment under its live name"),
        Failpoint("log.sealed", "seal a segment", "a sealed segment beside a durable offset nobody needs"),
        Failpoint("log.cut", "recover a segment", "a segment whose torn tail is gone, not yet sealed"),
        Failpoint("object.synced", "keep an object", "a hidden file; in a bucket nothing"),
        Failpoint("plan.scanned", "plan", "nothing: the same frames are planned again"),
        Failpoint("plan.inserted", "plan", "a plan that nobody has decided"),
        Failpoint("decide.pure", "decide", "nothing: pure stages leave no trace"),
        Failpoint("decide.done", "decide", "an overlay in memory that dies with its process"),
        Failpoint("amend.inserted", "amend", "an amendment that the next attempt reads"),
        Failpoint("file.written", "write a lake file", "an unnamed file, maybe empty after a power cut"),
        Failpoint("file.synced", "write a lake file", "an unnamed file, its folder maybe not synced"),
        Failpoint("commit.loaded", "commit", "nothing"),
        Failpoint("commit.staged", "commit", "data and metadata files that no snapshot names"),
        Failpoint("commit.swapped", "commit", "plan n committed, its ledger row and memory still to come"),
        Failpoint("ledger.staged", "ledger", "files that no snapshot names"),
        Failpoint("ledger.swapped", "ledger", "plan n committed and counted, memory still to come"),
        Failpoint("dedup.promoted", "remember", "nothing: the overlay is in memory only"),
        Failpoint("checkpoint.begun", "checkpoint", "the checkpoint before"),
        Failpoint("checkpoint.written", "checkpoint", "a new checkpoint"),
        Failpoint("publish.named", "publish a segment", "raw files that no manifest names, but a note"),
        Failpoint("publish.manifest", "publish a segment", "a published segment whose hot copy still stands"),
        Failpoint("publish.verified", "publish a segment", "a published segment whose hot copy still stands"),
        Failpoint("publish.deleted", "publish a segment", "a published segment, not yet noted as such"),
        Failpoint("compact.staged", "compact", "files that no snapshot names"),
        Failpoint("compact.swapped", "compact", "replaced files, held by older snapshots"),
        Failpoint("rebuild.staged", "rebuild a derived table", "files that no snapshot names"),
        Failpoint("rebuild.swapped", "rebuild a derived table", "replaced files, held by older snapshots"),
        Failpoint("expire.swapped", "expire snapshots", "files that no snapshot names any more"),
        Failpoint("expire.deleted", "expire snapshots", "some expired files gone, the rest due again"),
        Failpoint("orphans.listed", "remove orphans", "nothing"),
        Failpoint("orphans.moved", "remove orphans", "an empty snapshot"),
        Failpoint("orphans.deleted", "remove orphans", "some orphans gone, the rest found again"),
    )
}

ACTIONS = {
    "kill": "SIGKILL to itself, as a process that died",
    "stop": "SIGSTOP to itself, as a process the scheduler forgot",
    "raise": "an OSError, as a device that failed",
}

_armed: tuple[str, str, int] | None = None
_hits: dict[str, int] = {}
_observer: Callable[[str], None] | None = None


def arm(spec: str) -> None:
    """Arm one point of this process from `name:action@hit`; an empty spec disarms."""
    global _armed
    _hits.clear()
    if not spec:
        _armed = None
        return
    name, _, rest = spec.partition(":")
    action, _, hit_text = rest.partition("@")
    if name not in REGISTRY or action not in ACTIONS or not (hit_text or "1").isdigit():
        raise BadInput(
            "not a failpoint", hint="see `beejan failpoints`; the form is name:action@hit", spec=spec
        )
    _armed = (name, action, int(hit_text or "1"))


def observe(observer: Callable[[str], None] | None) -> None:
    """Let a test bench see every hit of this process (and count, yield or fail there)."""
    global _observer
    _observer = observer


def hit(name: str) -> None:
    """Pass a named point; does nothing unless it is armed or observed."""
    if _observer is not None:
        _observer(name)
    if _armed is None or _armed[0] != name:
        return
    _hits[name] = _hits.get(name, 0) + 1
    if _hits[name] == _armed[2]:
        _act(_armed[1])


def _act(action: str) -> None:
    if action == "raise":
        raise OSError(errno.EIO, "failpoint")
    # To this very thread: sent to the process, another may take it while this one goes on.
    signal.pthread_kill(threading.get_ident(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
