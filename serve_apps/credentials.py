"""The key of a request: a Bearer token or a Basic password, which is what most webhook consoles can send."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

BEARER, BASIC = "bearer", "basic"
CHALLENGES: Final = ("Bearer", 'Basic realm="beejan", charset="UTF-8"')
"""What a 401 says one may send, a header for each."""
SCHEMES: Final[dict[str, Any]] = {
    BEARER: {"type": "http", "scheme": BEARER, "description": "A key"},
    BASIC: {"type": "http", "scheme": BASIC, "description": "A key as the password; any user name"},
}
"""The same as security schemes of OpenAPI."""
SECURITY: Final[list[dict[str, list[str]]]] = [{BEARER: []}, {BASIC: []}]


def token(authorization: str | None) -> str:
    """The key in an Authorization header; an empty text where there is none."""
    scheme, _, given = (authorization or "").strip().partition(" ")
    given = given.strip()
    if scheme.lower() == BEARER:
        return given
    return _password(given) if scheme.lower() == BASIC else ""


def _password(given: str) -> str:
    try:
        pair = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, ValueError):  # the latter for what is not ASCII, or not UTF-8 inside
        return ""
    return pair.partition(":")[2].strip()
