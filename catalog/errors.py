"""Every error of the product: what it means for the caller, a stable code, and what to do.

The base class says whether to try again: `Permanent` never helps by repeating, `Transient` may, after
`Indeterminate` the effect may have happened, so look before repeating, and `Stopped` needs a person.
Messages never carry complaint text. Every subclass survives pickling, also through a Ray actor.
"""

from __future__ import annotations

from typing import ClassVar


class BeejanError(Exception):
    """Base of all: `code` is stable, `fields` are facts for a log line, `hint` says what to do."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", **fields: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.fields)

    def __str__(self) -> str:
        facts = "".join(f" {name}={value}" for name, value in sorted(self.fields.items()))
        return f"{self.message}{facts}" + (f": {self.hint}" if self.hint else "")


def _rebuild(cls: type[BeejanError], message: str, hint: str, fields: dict[str, str | int]) -> BeejanError:
    return cls(message, hint=hint, **fields)


class Permanent(BeejanError):
    """Repeating cannot help."""

    code = "permanent"


class Transient(BeejanError):
    """Nothing happened; the same attempt may succeed later."""

    code = "transient"


class Indeterminate(BeejanError):
    """It may have happened: look before repeating."""

    code = "indeterminate"


class Stopped(BeejanError):
    """Going on would lose or double something: a person decides; `hint` says what."""

    code = "stopped"


class BadInput(Permanent):
    """The caller's input cannot be read."""

    code = "bad_input"


class NotDurable(Transient):
    """Bytes could not be made durable: nothing of them was acknowledged."""

    code = "not_durable"


class SegmentLocked(Transient):
    """A living writer holds the segment's lock: nobody else may seal, cut or read past its durable offset."""

    code = "segment_locked"


class CorruptFrame(Stopped):
    """Bytes that were durable cannot be read back; only their segment stops."""

    code = "corrupt_frame"


class WrongVersion(Stopped):
    """A file was written by a format this version does not know."""

    code = "wrong_version"


class UnsafeStore(Stopped):
    """A store that cannot keep the promise: a network file system, or a catalog without its guard."""

    code = "unsafe_store"


class PlanTaken(Transient):
    """Another sequencer wrote plan n first: read it and follow it."""

    code = "plan_taken"


class ChainBroken(Stopped):
    """Plans and table do not share one history, as after restoring one of them from a backup."""

    code = "chain_broken"


class CommitGap(Stopped):
    """The table is behind the plan before this one: committing would skip rows."""

    code = "commit_gap"


class CommitConflict(Transient):
    """Another writer moved the table between our read and our swap: nothing of ours is in it."""

    code = "commit_conflict"


class CommitUnknown(Indeterminate):
    """The swap was attempted and its answer lost: only `commit_seq` on a new connection can tell."""

    code = "commit_unknown"


class MemoryBehind(Transient):
    """The memory of ids is not at plan n-1: it must catch up from the table before it decides."""

    code = "memory_behind"


class WorkerDied(Transient):
    """A flow worker ended while it held a batch; bisection finds out whether an event did it."""

    code = "worker_died"


class Unavailable(Transient):
    """An actor is down or restarting: wait, decide nothing with less state."""

    code = "unavailable"


class Busy(Transient):
    """Every process that answers queries is at work: wait a moment."""

    code = "busy"


class TooSlow(Permanent):
    """A query was ended because it ran longer than it may."""

    code = "too_slow"


class TooLarge(Permanent):
    """A query was ended because it needs more memory, or its answer more bytes, than it may."""

    code = "too_large"
