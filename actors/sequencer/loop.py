"""The sequencer's life: turn after turn, waiting out what passes, ending as it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from actors.sequencer.config import SequencerConfig
from actors.sequencer.sequencer import Sequencer
from catalog.clock import Clock
from catalog.errors import BeejanError, Indeterminate, Stopped, Transient

PASSING = (Transient, Indeterminate, OSError)
LOOKS = 5
"""How often the same file may be missing, everything having been read anew in between, before it is gone."""

log = logging.getLogger(__name__)


def run(
    build: Callable[[], Sequencer],
    config: SequencerConfig,
    clock: Clock,
    pause: Callable[[float], object],
    until_idle: bool,
    stopping: Callable[[], bool],
) -> None:
    """Turn until `stopping`, or until everything durable is done when `until_idle`.

    The sequencer is built anew after whatever passes. Told to stop, it goes on with what is durable for at
    most `drain_s`. Raises Stopped when a person is needed, as for a file that stays missing, and in the end
    also for single segments.
    """
    deadline_s: float | None = None
    sequencer: Sequencer | None = None
    missing: tuple[str | None, ...]
    trouble_told, missing = "", ()
    while deadline_s is None or clock.elapsed_s() < deadline_s:
        if deadline_s is None and stopping():
            deadline_s = clock.elapsed_s() + config.drain_s
        ending = until_idle or deadline_s is not None
        try:
            if sequencer is None:
                started = build()
                started.start()
                sequencer = started
            if sequencer.turn(drain=ending):
                trouble_told, missing = "", ()
                continue
        except PASSING as trouble:
            # Whatever it was, everything is opened and read again from what is durable.
            sequencer = None
            trouble_told = _tell(trouble, trouble_told)
            missing = (*missing, _missing(trouble))[-LOOKS:]
            if (words := missing[-1]) is not None and missing.count(words) == LOOKS:
                raise _gone(words) from trouble
            pause(config.retry_s)
            continue
        if ending:
            break
        pause(config.poll_s)
    if sequencer is not None:
        _finish(sequencer)
        for damage in sequencer.stopped:
            raise damage


def _missing(trouble: BaseException | None) -> str | None:
    """The words about a file that was not there, where that is at the bottom of it."""
    while trouble is not None and not isinstance(trouble, FileNotFoundError):
        trouble = trouble.__cause__
    return None if trouble is None else str(trouble)


def _gone(words: str) -> Stopped:
    return Stopped(
        "a file that is named is gone",
        hint="restore it from a backup; did another engine remove files that are younger than seven days?",
        cause=words,
    )


def _tell(trouble: Exception, told: str) -> str:
    """Say what is waited for, once per kind of trouble."""
    words = str(trouble) if isinstance(trouble, BeejanError) else f"a disk or object store fails: {trouble}"
    if words != told:
        log.warning("waiting, nothing is lost: %s", words)
    return words


def _finish(sequencer: Sequencer) -> None:
    try:
        sequencer.finish()
    except PASSING as trouble:
        _tell(trouble, "")
