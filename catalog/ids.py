"""Identity: one event has one id, whichever replica, stream or export brings it."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal, get_args

Kind = Literal["provider", "idempotency_key", "natural", "minted", "conflict"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def event_id(source: str, kind: Kind, value: str) -> str:
    """First 16 bytes of SHA-256 over (source, kind, value), as 32 lower-case hex digits.

    Each part is UTF-8 behind its length (4 bytes, big-endian), so that no two triples share their bytes.
    """
    digest = hashlib.sha256()
    for part in (source, kind, value):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:32]


def minted_id(source: str) -> str:
    """An id for an event that brings none."""
    return event_id(source, "minted", secrets.token_hex(16))


def conflict_id(source: str, original_id: str, digest: str) -> str:
    """The id of a row whose sender used `original_id` again for other bytes (`digest` of them)."""
    return event_id(source, "conflict", original_id + digest)


def corrupt_frame_id(segment: str, offset: int) -> str:
    """The id of the row that stands for a frame nobody can read any more."""
    return event_id("log", "minted", f"{segment}:{offset}")


def payload_digest(payload: bytes) -> str:
    """What "the same bytes" means: first 16 bytes of SHA-256 over the payload, in hex."""
    return hashlib.sha256(payload).hexdigest()[:32]
