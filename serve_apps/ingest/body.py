"""Reading a request's headers and body: limits are counted while the bytes come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from serve_apps.ingest.deps import Limits
from serve_apps.ingest.inflate import CODINGS, inflate
from serve_apps.ingest.refusals import refused

_MOST_DIGITS = 18


def header(request: Request, name: bytes) -> str | None:
    """A header's value by its lower-case name. Raises Refused (400) for one that came twice."""
    values = [value for its_name, value in request.scope["headers"] if its_name == name]
    if len(values) > 1:
        raise refused("header_invalid", f"{name.decode()} came more than once")
    return values[0].decode("latin-1").strip() if values else None


def idempotency_key(request: Request) -> str | None:
    """The sender's own key of this event. Raises Refused (400) for one that cannot be."""
    key = header(request, b"idempotency-key")
    if key is not None and (not 0 < len(key) <= 255 or not all("!" <= each <= "~" for each in key)):
        raise refused("header_invalid", "Idempotency-Key")
    return key


async def read_body(request: Request, limit_bytes: int, limits: Limits, take: Callable[[int], None]) -> bytes:
    """The whole body, inflated; `take` is told of all bytes before they are kept.

    Raises Refused: 400 for lengths that lie and bodies that end early or come too slowly, 413 beyond the
    limits, 415 for an unknown coding.
    """
    coding = (header(request, b"content-encoding") or "").lower()
    if coding not in ("", "identity", *CODINGS):
        raise refused("coding_not_taken")
    told_bytes = _told_bytes(header(request, b"content-length"))
    if told_bytes is not None and told_bytes > limit_bytes:
        raise refused("body_too_large", f"limit: {limit_bytes} bytes")
    pieces, size_bytes = [], 0
    try:
        async with asyncio.timeout(limits.body_s):
            async for piece in request.stream():
                size_bytes += len(piece)
                if size_bytes > limit_bytes:
                    raise refused("body_too_large", f"limit: {limit_bytes} bytes")
                take(len(piece))
                pieces.append(piece)
    except ClientDisconnect:
        raise refused("framing_unreadable", "the body ended early") from None
    except TimeoutError:
        raise refused("framing_unreadable", f"it did not come within {limits.body_s:g} s") from None
    if told_bytes is not None and told_bytes != size_bytes:
        raise refused("framing_unreadable", "Content-Length names another length")
    body = b"".join(pieces)
    return inflate(coding, body, limit_bytes, limits.inflated_ratio, take) if coding in CODINGS else body


def _told_bytes(length: str | None) -> int | None:
    if length is None:
        return None
    if not (length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS):
        raise refused("header_invalid", "Content-Length")
    return int(length)
