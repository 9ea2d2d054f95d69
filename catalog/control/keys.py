"""Keys of the doors: who may send or ask, as which source. Secrets are kept as hashes only.

A secret is 256 random bits, so that nobody can try them all: a fast hash (SHA-256) is as good as a slow one,
which is there for what people think up.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import Connection, Engine, Row, insert, select, update

from catalog.clock import Clock
from catalog.control import schema
from catalog.control.schema import transaction
from catalog.envelope import CHANNEL, SOURCE_LENGTH
from catalog.errors import BadInput, BeejanError

Role = Literal["ingest", "analyst", "operations", "finance", "compliance"]
ROLES: tuple[Role, ...] = get_args(Role)
_PREFIX = "bjn"


class Key(NamedTuple):
    """One key as it may be shown: times are microseconds since 1970, UTC; None = not so far."""

    key_id: str
    source: str
    channels: tuple[str, ...]
    role: Role
    created_us: int
    expires_us: int | None
    revoked_us: int | None

    def is_valid(self, now_us: int) -> bool:
        """Neither revoked nor past its time."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)


class StoredKey(NamedTuple):
    """A key and the SHA-256 of its secret, in hex."""

    key: Key
    secret_hash: str


class Minted(NamedTuple):
    """A new key; its token is shown this once and stored nowhere."""

    key_id: str
    token: str


class Keys:
    """The keys in the control database. Every method raises Unavailable when it does not answer."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, source: str, channels: Sequence[str], role: Role) -> Minted:
        """A key of `source` for these channels. Raises BadInput for names that cannot be."""
        if not 0 < len(source) <= SOURCE_LENGTH or not source.isprintable():
            raise BadInput("a source needs a name", hint=f"1 to {SOURCE_LENGTH} printable characters")
        if role not in ROLES:
            raise BadInput("no such role", hint="one of " + ", ".join(ROLES))
        if not all(CHANNEL.fullmatch(channel) for channel in channels):
            raise BadInput("not the name of a channel", hint="lower-case letters, digits and _")
        if role == "ingest" and not channels:
            raise BadInput("a key that sends needs a channel", hint="name one or more")
        if role != "ingest" and channels:
            raise BadInput("a key that asks has no channel", hint="a key either sends or asks")
        with transaction(self._engine) as connection:
            return self._insert(connection, source, tuple(dict.fromkeys(channels)), role)

    def rotate(self, key_id: str, grace_s: float) -> Minted:
        """A new key like this one, which itself goes on for `grace_s` seconds and no longer than before.

        Raises BadInput for a key that is unknown or not valid any more.
        """
        now_us = self._clock.now_us()
        end_us = now_us + int(max(0.0, grace_s) * 1e6)
        with transaction(self._engine) as connection:
            key = self._find(connection, key_id)
            if not key.is_valid(now_us):
                raise BadInput("a key that has ended cannot be rotated", hint="create one", key_id=key_id)
            ends_us = end_us if key.expires_us is None else min(end_us, key.expires_us)
            self._set(connection, key_id, expires_us=ends_us)
            return self._insert(connection, key.source, key.channels, key.role)

    def revoke(self, key_id: str) -> None:
        """End a key for ever; caches follow within their age. Raises BadInput for an unknown key."""
        with transaction(self._engine) as connection:
            if self._find(connection, key_id).revoked_us is None:
                self._set(connection, key_id, revoked_us=self._clock.now_us())

    def list(self) -> Sequence[Key]:
        """Every key ever made, oldest first."""
        return [stored.key for stored in self.stored()]

    def stored(self) -> Sequence[StoredKey]:
        """Every key with the hash of its secret: what a cache reads."""
        table = schema.api_keys
        with transaction(self._engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.created_us, table.c.key_id))
            return [StoredKey(_key(row), row.secret_hash) for row in rows]

    def _insert(self, connection: Connection, source: str, channels: tuple[str, ...], role: Role) -> Minted:
        key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
        connection.execute(
            insert(schema.api_keys).values(
                key_id=key_id,
                source=source,
                channels=msgspec.json.encode(channels).decode(),
                role=role,
                secret_hash=_hash(secret),
                created_us=self._clock.now_us(),
            )
        )
        return Minted(key_id, f"{_PREFIX}_{key_id}_{secret}")

    def _find(self, connection: Connection, key_id: str) -> Key:
        table = schema.api_keys
        row = connection.execute(select(table).where(table.c.key_id == key_id)).one_or_none()
        if row is None:
            raise BadInput("no such key", hint="`beejan keys list` shows them")
        return _key(row)

    def _set(self, connection: Connection, key_id: str, **values: int) -> None:
        table = schema.api_keys
        connection.execute(update(table).where(table.c.key_id == key_id).values(**values))


class KeyCache:
    """The keys in memory, so that a door needs no database to know whom it serves.

    While the database does not answer the last snapshot stays in force: keys end at their own time, but
    new keys and revocations wait until it answers again.
    """

    def __init__(self, read: Callable[[], Iterable[StoredKey]], clock: Clock, max_age_s: float) -> None:
        self._read = read
        self._clock = clock
        self._max_age_s = max_age_s
        self._stored: dict[str, StoredKey] | None = None
        self._read_s = 0.0

    @property
    def is_loaded(self) -> bool:
        """Whether a snapshot was ever read."""
        return self._stored is not None

    def refresh_if_old(self) -> BeejanError | None:
        """Read the keys anew when the snapshot is older than its age (or none); what failed, if it did.

        Blocks while the database answers: call it beside the event loop.
        """
        if self._stored is not None and self._clock.elapsed_s() - self._read_s < self._max_age_s:
            return None
        began_s = self._clock.elapsed_s()
        try:
            self._stored = {stored.key.key_id: stored for stored in self._read()}
        except BeejanError as error:
            return error
        self._read_s = began_s
        return None

    def verify(self, token: str, now_us: int) -> Key | None:
        """The key of a token, None when it is unknown, ended or wrong; takes as long either way."""
        prefix, key_id, secret = _parts(token)
        stored = (self._stored or {}).get(key_id)
        expected = _NOBODY if stored is None else stored.secret_hash
        is_same = hmac.compare_digest(_hash(secret), expected)
        if stored is None or not is_same or prefix != _PREFIX or not stored.key.is_valid(now_us):
            return None
        return stored.key

    def find(self, token: str) -> Key | None:
        """The key of a token; None as `verify` says.

        Reads the keys anew when they are old, and blocks while it does. Raises what failed then, if the token
        may be of a key that was never read.
        """
        failure = self.refresh_if_old()
        prefix, key_id, _ = _parts(token)
        if failure is not None and prefix == _PREFIX and key_id not in (self._stored or {}):
            raise failure
        return self.verify(token, self._clock.now_us())


_NOBODY = "0" * 64


def _parts(token: str) -> tuple[str, str, str]:
    """Prefix, id and secret."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return prefix, key_id, secret


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> Key:
    key = Key(*(getattr(row, name) for name in Key._fields))
    return key._replace(channels=msgspec.json.decode(row.channels, type=tuple[str, ...]))
