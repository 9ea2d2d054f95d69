"""What each of the three servers is to whoever starts it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple


class Server(NamedTuple):
    """How one server is started and asked whether it serves.

    `answers` raises, whatever its client raises, while the server does not do what it is for.
    """

    name: str
    port: int
    command: tuple[str, ...]
    environment: dict[str, str]
    start_s: float
    answers: Callable[[], None]


def environment(**more: str) -> dict[str, str]:
    """Nothing of the caller's own: no proxy, no certificate bundle, no language."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", **more}
