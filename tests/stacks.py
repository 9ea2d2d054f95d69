"""Stacks for tests: started by whoever asks first, ended by whoever began the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog.clock import SystemClock
from cluster.settings import Settings, read
from cluster.stack import lifecycle, trino
from cluster.stack.stack import Stack


def settings_of(folder: Path | str) -> Settings:
    """As the environment says, but for this stack."""
    return replace(read(), stack=Path(folder))


def started(folder: Path) -> Stack:
    """The stack in this folder, its servers up; of several who ask at once, one starts them.

    Its Trino compiles less: most of what tests ask is asked once, and a start costs half of what it did.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trino, "JVM", f"{trino.JVM}-XX:TieredStopAtLevel=1\n")
        lifecycle.up(settings_of(folder), SystemClock())
    return Stack.open(folder)


def end(folder: Path) -> None:
    """Stop its servers, if any were started."""
    lifecycle.down(settings_of(folder))
