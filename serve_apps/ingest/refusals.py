"""How the door says no. A status means one thing, its codes are cases of it.

Whatever was refused was not acknowledged, and the same request may be sent again without fear: an event
that was stored all the same is recognised by its id.
"""

from __future__ import annotations

import math

from serve_apps.problems import Refused, refusals

STATUSES = {
    400: "the request cannot be read",
    401: "no valid key",
    403: "a valid key that may not do this",
    404: "no such address",
    405: "not with this method",
    409: "the warehouse holds other bytes under this id, which this replica acknowledged; nothing was stored",
    413: "a limit of size was passed",
    415: "of a type, or in a coding, that is not taken here",
    422: "an event that is no JSON object",
    429: "too much at once; send it again after Retry-After seconds",
    500: "a fault of this side; whether anything was stored is not known, so send it again",
    503: "not able to at the moment; send it again after Retry-After seconds",
}


def refused(code: str, detail: str = "", retry_s: float = 0.0) -> Refused:
    """What to raise for a refusal; `detail` must not quote what was sent."""
    return Refused(refusals("ingest")[code], detail, math.ceil(retry_s))
