"""The sequencer's life: turn after turn, waiting out what passes, ending as it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from actors.sequencer.config import SequencerConfig
from actors.sequencer.sequencer import Sequencer
from catalog.clock import Clock
from catalog.errors import BeejanError, Indeterminate, Transient

PASSING = (Transient, Indeterminate, OSError)

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
    most `drain_s`. Raises Stopped when a person is needed, in the end also for single segments.
    """
    deadline_s: float | None = None
    sequencer: Sequencer | None = None
    trouble_told = ""
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
                trouble_told = ""
                continue
        except PASSING as trouble:
            # Whatever it was, everything is opened and read again from what is durable.
            sequencer = None
            trouble_told = _tell(trouble, trouble_told)
            pause(config.retry_s)
            continue
        if ending:
            break
        pause(config.poll_s)
    if sequencer is not None:
        _finish(sequencer)
        for damage in sequencer.stopped:
            raise damage


def _tell(trouble: Exception, told: str) -> str:
    """Say what is waited for, once per kind of trouble."""
    words = str(trouble) if isinstance(trouble, BeejanError) else f"a disk of the home fails: {trouble}"
    if words != told:
        log.warning("waiting, nothing is lost: %s", words)
    return words


def _finish(sequencer: Sequencer) -> None:
    try:
        sequencer.finish()
    except PASSING as trouble:
        _tell(trouble, "")
