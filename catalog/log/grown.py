"""A live segment in an object store: an object for its header, one for each group, one that seals it.

    heads/<segment>             the header: while it is there, the segment is listed
    groups/<segment>/<offset>   the group that begins at this offset; behind the last one, the footer

Every object is created under a name that must be free. The next name is where the last group ended, so a
group exists once it is durable, and of a writer and whoever seals behind its back exactly one gets the name.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from catalog import failpoints
from catalog.clock import Clock
from catalog.errors import NotDurable
from catalog.log.files import new_name
from catalog.log.frames import HEADER_BYTES, Codec, Footer, encode_header
from catalog.objects.port import Objects

HEADS, GROUPS = "heads", "groups"
SEGMENT = re.compile(r"seg-[0-9a-f]{32}")
MAX_GROUPS = 1000
"""A segment with more of them is sealed: they fit one page of a listing."""
TRUSTED_S = 3600.0
"""So long after its beginning a segment still acknowledges; its tombstone stands longer."""
_DIGITS = 20


def head_key(segment: str) -> str:
    """The key of a segment's header."""
    return f"{HEADS}/{segment}"


def group_key(segment: str, offset: int) -> str:
    """The key of what begins at an offset of a segment."""
    return f"{GROUPS}/{segment}/{offset:0{_DIGITS}d}"


def offset_of(key: str) -> int:
    """The offset in a group's key. Raises ValueError for any other key."""
    return int(key.rpartition("/")[2])


class GrownSegment:
    """The writer's end of one segment. After any error it must be abandoned.

    A writer may be stopped anywhere and wake when its segment was sealed, published and deleted. It is told
    so by the name of its next group, which the footer has taken and keeps as a tombstone; after `TRUSTED_S`
    it does not ask any more.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        """Create a segment that is durable and listed. Raises NotDurable, maybe with its header left."""
        self._objects = objects
        self._clock = clock
        self.opened_s = clock.elapsed_s()
        self.name = new_name()
        self._groups = self._frames = 0
        header = encode_header(secrets.token_bytes(16), clock.now_us())
        if not _create(objects, head_key(self.name), header):
            raise NotDurable("a new segment's name is taken", hint="try again")
        failpoints.hit("log.named")
        self.size_bytes = HEADER_BYTES
        self._codec = Codec(header)
        self._digest = hashlib.sha256(header)

    @property
    def is_full(self) -> bool:
        """Whether it takes no further group."""
        return self._groups >= MAX_GROUPS or self._is_doubtful

    @property
    def _is_doubtful(self) -> bool:
        return self._clock.elapsed_s() - self.opened_s >= TRUSTED_S

    def append(self, bodies: list[bytes]) -> None:
        """Return once a group is durable. Raises NotDurable, also when the segment was taken over."""
        group = self._codec.encode(bodies)
        is_ours = _create(self._objects, group_key(self.name, self.size_bytes), group)
        failpoints.hit("log.synced")
        if not is_ours:
            raise _lost(self.name, "somebody sealed it")
        if self._is_doubtful:
            raise _lost(self.name, "its writer was away for too long")
        self._digest.update(group)
        self.size_bytes += len(group)
        self._groups += 1
        self._frames += len(bodies)

    def seal(self) -> None:
        """Close it for ever. Raises NotDurable: then whoever takes it over seals it."""
        footer = Footer(self._frames, self._digest.digest())
        # Only a footer can have the name already, and all we acknowledged is before it.
        self._objects.create(group_key(self.name, self.size_bytes), self._codec.encode_footer(footer))
        failpoints.hit("log.sealed")

    def abandon(self) -> None:
        """Nothing is held."""


def _create(objects: Objects, key: str, content: bytes) -> bool:
    """Whether our object has the name. Taken by our own bytes it is ours too: an answer was lost, or a proxy
    asked twice. The salt, in the header and in every checksum, makes them nobody else's."""
    if objects.create(key, content):
        return True
    try:
        return objects.get(key) == content
    except LookupError:
        return False


def _lost(segment: str, reason: str) -> NotDurable:
    hint = "send it again: a new segment begins with it"
    return NotDurable("the segment was lost", hint=hint, segment=segment, reason=reason)
