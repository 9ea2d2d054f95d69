"""The settings under which the commands find a stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cluster.settings import Settings, read


def settings_of(folder: Path | str) -> Settings:
    """As the environment says, but for this stack."""
    return replace(read(), stack=Path(folder))
