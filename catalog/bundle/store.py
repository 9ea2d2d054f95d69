"""Where bundles are kept: one file each, named by its hash, never changed."""

from __future__ import annotations

from pathlib import PurePath

from catalog.bundle.bundle import Bundle, decode
from catalog.errors import Stopped
from catalog.objects.port import Objects


class Bundles:
    """The bundles of one home. What `put` returned survives a power cut."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put(self, bundle: Bundle) -> str:
        """Keep a bundle and return its hash; keeping it again changes nothing."""
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


def _key(name: str) -> str:
    return f"{PurePath(name).name}.json"
