"""The secret behind the pseudonyms: made once for a home, kept apart from every bundle."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from catalog.durable import make_folders, sync_folder
from catalog.errors import Stopped

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


def load_or_create(folder: Path) -> PseudonymKey:
    """The key of a folder, made there (mode 0600, durable) by whoever comes first.

    Raises Stopped for a file that is no key: a new one would give every customer a new pseudonym.
    """
    path = folder / _FILE
    make_folders(folder, within=folder.parent)
    if not path.exists():
        _create(folder, path)
    sync_folder(folder)
    secret = path.read_bytes()
    if len(secret) != _BYTES:
        raise Stopped("the pseudonym key is damaged", hint="restore it from a backup; do not make a new one")
    return PseudonymKey(hashlib.sha256(b"pseudonym key" + secret).hexdigest()[:16], secret)


def _create(folder: Path, path: Path) -> None:
    hidden = folder / f".{_FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
    # A link does not replace: of two processes at once, the first one's key stays.
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(hidden)
    hidden.unlink()
