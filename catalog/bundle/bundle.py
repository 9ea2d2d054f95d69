"""What a bundle holds: taxonomy, rules, places, operators and settings, frozen, and the hash they go by."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from catalog.errors import Stopped

UNCLASSIFIED = "unclassified"
"""The label where no rule speaks: a category of both levels in every taxonomy."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a bundle: immutable, and an unknown field is an error rather than ignored."""


class Category(Struct, frozen=True):
    """One node of the second level (`code`, `name`), under its first level (`l1`, `l1_name`)."""

    code: str
    name: str
    l1: str
    l1_name: str


class Rule(Struct, frozen=True):
    """One rule in the words of `rules.toml`: any of its patterns found means the rule speaks, once.

    `weight` counts towards the category `l2` (none for a rule about complaining itself), `complaint`
    towards the text being a complaint at all: negative for praise, adverts, agents and mere questions.
    """

    name: str
    patterns: tuple[str, ...]
    complaint: float
    l2: str | None = None
    weight: float = 0.0


class Spelling(Struct, frozen=True):
    """One way to write a place. One that is also an ordinary word (`needs`) counts only with a `cue`:

    after "in", "at", … or with a capital letter inside a sentence; `both` needs the two together.
    """

    text: str
    needs: Literal["", "cue", "both"] = ""


class PlaceName(Struct, frozen=True):
    """One place and its spellings. A country has no region and no city, a region no city."""

    country: str
    region: str | None
    city: str | None
    spellings: tuple[Spelling, ...]


class Operator(Struct, frozen=True):
    """A mobile operator and the beginnings of its numbers in E.164 form; the longest beginning wins."""

    name: str
    country: str
    prefixes: tuple[str, ...]


class Settings(Struct, frozen=True):
    """The numbers and small lists that decisions depend on."""

    complaint_from: float
    label_from: float
    secondary_from: float
    weight_cap: float
    review_below: float
    phone_regions: tuple[str, ...]
    account_patterns: tuple[str, ...]


class Bundle(Struct, frozen=True):
    """The whole set. Two bundles are the same exactly when their hashes are."""

    taxonomy: tuple[Category, ...]
    rules: tuple[Rule, ...]
    places: tuple[PlaceName, ...]
    operators: tuple[Operator, ...]
    settings: Settings
    key_id: str
    """Which pseudonym key is in force; the secret itself is never part of a bundle."""

    def encode(self) -> bytes:
        """The canonical encoding: JSON, fields in the order above, other keys sorted."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def hash(self) -> str:
        """The first 16 bytes of SHA-256 over the canonical encoding, as 32 hex digits."""
        return hashlib.sha256(self.encode()).hexdigest()[:32]


def decode(content: bytes) -> Bundle:
    """The bundle that was encoded. Raises Stopped for bytes that are none of this version's."""
    try:
        return msgspec.json.decode(content, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Stopped(
            "a bundle cannot be read", hint="restore it from a backup or from another node"
        ) from error
