"""What the stores of whole objects ask of the place they are kept in; each backend passes one suite.

A key is a relative path of names parted by `/`; no name is empty or begins with a dot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from catalog.errors import BadInput


def checked(key: str) -> str:
    """The key. Raises BadInput for what is none."""
    if any(not name or name.startswith(".") for name in key.split("/")):
        raise BadInput("not a key of an object", hint="names parted by /, none begins with a dot")
    return key


class Listed(NamedTuple):
    """One object of a listing. `modified_us` is by the store's own clock, microseconds since 1970."""

    key: str
    size_bytes: int
    modified_us: int


class Objects(Protocol):
    """Objects are read and written whole. A folder raises OSError for its disk; a bucket Unavailable for what
    may pass, NotDurable for a write whose outcome is unknown, Permanent when it is refused."""

    def put(self, key: str, content: bytes) -> None:
        """Keep an object, in place of the one before; durable on return."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Keep an object unless its key is taken, then False. Durable on return, also the one that was there.

        Of many creators exactly one has its object kept, and nobody else is told True. After a lost answer
        the one itself may be told False: whoever must know compares what is there.
        """
        ...

    def get(self, key: str) -> bytes:
        """An object's bytes. Raises LookupError when there is none."""
        ...

    def list(self, folder: str, after: str = "") -> Iterator[Listed]:
        """All objects below a folder ("" for all), those of one folder in the order of their keys.

        Of a folder without folders, only those behind the key `after`.
        """
        ...

    def folders(self, folder: str) -> tuple[str, ...]:
        """Names of the folders one level below a folder, in order; one without objects may be among them."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, durably; those that are gone already are fine."""
        ...

    def sweep(self) -> None:
        """Remove what writers left that died halfway; one under way fails and starts anew."""
        ...
