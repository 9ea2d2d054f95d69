"""How the query side says no."""

from __future__ import annotations

from serve_apps.problems import Refused, refusals


def refused(code: str, detail: str = "") -> Refused:
    """What to raise for a refusal; `detail` must not quote what was sent."""
    return Refused(refusals("query")[code], detail)
