"""The secret behind the pseudonyms: made once for a home, kept apart from every bundle."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from catalog.errors import Stopped
from catalog.objects.port import Objects

_FILE = "pseudonym.key"
_BYTES = 32


@dataclass(frozen=True)
class PseudonymKey:
    """A secret of 32 bytes and the name it goes by, which is no part of it and may be shown."""

    key_id: str
    secret: bytes = field(repr=False)

    def pseudonym(self, kind: str, canonical: str) -> str:
        """HMAC-SHA256 of an identifier in its canonical form, the first 16 bytes as 32 hex digits."""
        return hmac.digest(self.secret, f"{kind}:{canonical}".encode(), "sha256")[:16].hex()


def load_or_create(objects: Objects) -> PseudonymKey:
    """The key of a deployment, made (durable, for its owner only) by whoever comes first.

    Raises Stopped for an object that is no key: a new one would give every customer a new pseudonym.
    """
    # Of two processes at once, the first one's key stays.
    objects.create(_FILE, secrets.token_bytes(_BYTES))
    secret = objects.get(_FILE)
    if len(secret) != _BYTES:
        raise Stopped("the pseudonym key is damaged", hint="restore it from a backup; do not make a new one")
    return PseudonymKey(hashlib.sha256(b"pseudonym key" + secret).hexdigest()[:16], secret)
