"""Where bundles are kept: one file each, named by its hash, never changed."""

from __future__ import annotations

from pathlib import PurePath

import msgspec

from catalog.bundle.bundle import Bundle, decode
from catalog.errors import Stopped
from catalog.objects.port import Objects


class Bundles:
    """The bundles of one home. What `put` returned survives a power cut."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put(self, bundle: Bundle) -> str:
        """Keep a bundle and return its hash; keeping it again changes nothing.

        Raises Stopped where those kept before name another pseudonym key: it was lost, and to go on with one
        made anew would give every customer another pseudonym.
        """
        for each in self._objects.list(""):
            kept = _key_id(self._objects.get(each.key))
            if kept not in ("", bundle.key_id):
                raise Stopped(
                    "the pseudonym key is not the one that the plans were decided with",
                    hint="restore the folder `keys` of the same moment",
                    needed=kept,
                )
        self._objects.create(_key(bundle.hash), bundle.encode())
        return bundle.hash

    def get(self, name: str) -> Bundle:
        """The bundle of this hash. Raises Stopped when it is missing or its bytes have changed."""
        try:
            bundle = decode(self._objects.get(_key(name)))
        except LookupError:
            raise Stopped(
                "a bundle that plans were decided under is missing",
                hint="restore it from a backup: without it these plans cannot be decided again",
                bundle=name,
            ) from None
        if bundle.hash != name:
            raise Stopped("a bundle's bytes have changed", hint="restore it from a backup", bundle=name)
        return bundle


class _Named(msgspec.Struct):
    key_id: str


def _key_id(content: bytes) -> str:
    """Of a bundle of any version; empty where it cannot be read, which `get` tells whoever needs it."""
    try:
        return msgspec.json.decode(content, type=_Named).key_id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _key(name: str) -> str:
    return f"{PurePath(name).name}.json"
