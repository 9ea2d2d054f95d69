"""The log's format: bytes in, bytes out, no files.

    segment  header record, the same again, frames, and once sealed a footer
    header   magic, version, salt, created, CRC        (layout common to every version)
    frame    mark, CRC, back, length, event id, received, channel, the rest of the envelope as MessagePack
    footer   mark, CRC, frames, SHA-256 of everything before it
    mark     of the durable offset, in a file of its own: magic, offset, frames, CRC

Every CRC-32C is over the salt and what follows it, and frames and footer are recognised by bytes of the
salt. The salt is random and in no answer, so no payload can hold bytes that are taken for a frame, nor can
blocks of a deleted segment. The header stands there twice, a sector each, padded with zeros: one damaged
sector must not cost the salt.
`back` is how many bytes before the frame its group began: the last group is the only one a power cut can
tear, so frames of one group behind a bad one do not prove that the bad one was durable.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, cast

import google_crc32c
import msgspec

from catalog.envelope import Envelope
from catalog.errors import BadInput, CorruptFrame, WrongVersion
from catalog.ids import Kind

VERSION = 1
MAX_BODY_BYTES = 16 * 1024 * 1024

_HEADER = struct.Struct("<8sI16sqI")
_HEADER_MAGIC = b"beejnlog"
_FRAME = struct.Struct("<4sIII")
_CHECKED = 8
"""Where in a frame the bytes begin that its CRC covers: its back, its length and its body."""
_BODY = struct.Struct("<I16sqB")
_BODY_TAIL = struct.Struct("<16sqB")
_TIMES = struct.Struct("<qB")
_TIMES_AT = _FRAME.size + 16
"""Where in a frame its received_us and the length of its channel stand."""
_FOOTER = struct.Struct("<4sIQ32s")
_MARK = struct.Struct("<4sQQI")
_MARK_MAGIC = b"bjdm"

_SECTOR_BYTES = 512
HEADER_BYTES = 2 * _SECTOR_BYTES
FRAME_BYTES = _FRAME.size
"""Bytes of a frame before its body."""
FOOTER_BYTES = _FOOTER.size
MARK_BYTES = _MARK.size
MIN_BODY_BYTES = _BODY_TAIL.size + 1

_crc = cast("Callable[[int, bytes], int]", google_crc32c.extend)
_encode_rest = msgspec.msgpack.Encoder().encode


class _Rest(msgspec.Struct, array_like=True, gc=False):
    """What of an envelope stands behind the frame's own header, in this order."""

    id_origin: Kind
    source: str
    contract: str
    bundle: str
    content_type: str
    key_id: str
    payload: bytes


_decode_rest = msgspec.msgpack.Decoder(_Rest).decode


class Footer(NamedTuple):
    """What a sealed segment says of itself; a frame that was given up counts as one."""

    frames: int
    digest: bytes


Header = tuple[int, int, bytes]
"""What planning reads of a frame: its back (0 for the first one of a group), received_us and channel."""


class Mark(NamedTuple):
    """How far a live segment is durable: everything before `offset`, which is `frames` frames."""

    offset: int
    frames: int


def encode_body(envelope: Envelope) -> bytes:
    """Length and body of an envelope's frame. Raises BadInput where it cannot be held."""
    try:
        event_id = bytes.fromhex(envelope.event_id)
        channel = envelope.channel.encode("ascii")
        rest = _encode_rest(
            (
                envelope.id_origin,
                envelope.source,
                envelope.contract,
                envelope.bundle,
                envelope.content_type,
                envelope.key_id,
                envelope.payload,
            )
        )
        length = _BODY_TAIL.size + len(channel) + len(rest)
        prefix = _BODY.pack(length, event_id, envelope.received_us, len(channel))
    except (ValueError, struct.error) as error:
        raise BadInput("an envelope's field cannot be stored", hint=_FIELDS_HINT) from error
    if event_id.hex() != envelope.event_id or len(event_id) != 16:
        raise BadInput("not an event id", hint=_FIELDS_HINT)
    if length > MAX_BODY_BYTES:
        raise BadInput("an envelope is too large", hint="split it, or refuse it earlier", size_bytes=length)
    return prefix + channel + rest


_FIELDS_HINT = (
    "event_id is 32 lower-case hex digits, channel at most 255 ASCII characters, text valid Unicode"
)


def decode_body(body: bytes) -> Envelope:
    """The envelope of a frame's body. Raises ValueError where a readable frame holds no envelope."""
    event_id, received_us, channel_length = _BODY_TAIL.unpack_from(body)
    rest_at = _BODY_TAIL.size + channel_length
    try:
        rest = _decode_rest(body[rest_at:])
    except msgspec.DecodeError as error:
        raise ValueError("not an envelope") from error
    return Envelope(
        event_id.hex(),
        rest.id_origin,
        body[_BODY_TAIL.size : rest_at].decode("ascii"),
        rest.source,
        received_us,
        rest.contract,
        rest.bundle,
        rest.content_type,
        rest.key_id,
        rest.payload,
    )


def channel_of(body: bytes) -> bytes:
    """The channel in a frame's header, in ASCII; the envelope is not decoded."""
    return body[_BODY_TAIL.size : _BODY_TAIL.size + body[_BODY_TAIL.size - 1]]


def encode_header(salt: bytes, created_us: int) -> bytes:
    """The first bytes of a segment; `salt` is 16 random bytes."""
    return 2 * _header_record(salt, created_us, VERSION).ljust(_SECTOR_BYTES, b"\0")


def _header_record(salt: bytes, created_us: int, version: int) -> bytes:
    record = _HEADER.pack(_HEADER_MAGIC, version, salt, created_us, 0)[:-4]
    return record + _crc(0, record).to_bytes(4, "little")


def _read_header(header: bytes) -> tuple[bytes | None, bool]:
    """The salt, if one of the two records can be read, and whether both can."""
    salts = []
    for at in (0, _SECTOR_BYTES):
        record = header[at : at + _HEADER.size]
        if len(record) < _HEADER.size or not record.startswith(_HEADER_MAGIC):
            continue
        _, version, salt, _, crc = _HEADER.unpack(record)
        if _crc(0, record[:-4]) != crc:
            continue
        if version != VERSION:
            hint = "read it with the version of the program that wrote it"
            raise WrongVersion("a log segment of another format", hint=hint, version=version)
        salts.append(salt)
    is_padded = not any(
        header[at + _HEADER.size : at + _SECTOR_BYTES].strip(b"\0") for at in (0, _SECTOR_BYTES)
    )
    return (salts[0] if salts else None), len(salts) == 2 and is_padded


class Codec:
    """Frames and footer of one segment, whose salt it holds.

    Of a header that cannot be read any more no frame can be told either: the codec then finds none.
    """

    def __init__(self, header: bytes) -> None:
        """`header` is the first HEADER_BYTES of the segment, or what there is. Raises WrongVersion."""
        salt, self.is_header_whole = _read_header(header)
        self.is_salt_known = salt is not None
        # A constant would let a payload of the right bytes pass for a frame once its header is lost.
        salt = salt or sha256(header).digest()[:16]
        self._seed = _crc(0, salt)
        self.frame_mark, self._footer_mark = salt[:4], salt[4:8]

    def encode(self, bodies: list[bytes]) -> bytes:
        """The frames of one group's bodies from `encode_body`, joined."""
        seed, mark, crc = self._seed, self.frame_mark, _crc
        parts: list[bytes] = []
        begin = 0
        for body in bodies:
            back = begin.to_bytes(4, "little")
            parts += (mark, crc(crc(seed, back), body).to_bytes(4, "little"), back, body)
            begin += _CHECKED + len(back) + len(body)
        return b"".join(parts)

    def split(self, buffer: bytes) -> tuple[list[tuple[int, bytes]], int]:
        """Position and body of each whole, good frame from the buffer's start; and where the next begins."""
        found, end = self._good(buffer)
        return [(position, buffer[position + FRAME_BYTES : stop]) for position, stop, _ in found], end

    def headers(self, buffer: bytes) -> tuple[list[tuple[int, Header]], int]:
        """As `split`, with each frame's header in place of its body."""
        times_of, channel_at = _TIMES.unpack_from, FRAME_BYTES + _BODY_TAIL.size
        headers: list[tuple[int, Header]] = []
        found, end = self._good(buffer)
        for position, _, back in found:
            received_us, length = times_of(buffer, position + _TIMES_AT)
            channel = buffer[position + channel_at : position + channel_at + length]
            headers.append((position, (back, received_us, channel)))
        return headers, end

    def _good(self, buffer: bytes) -> tuple[list[tuple[int, int, int]], int]:
        """Position, end and back of each whole, good frame; and where the next begins."""
        seed, mark, crc_of, unpack = self._seed, self.frame_mark, _crc, _FRAME.unpack_from
        found: list[tuple[int, int, int]] = []
        position, last = 0, len(buffer) - FRAME_BYTES - MIN_BODY_BYTES
        while position <= last:
            its_mark, crc, back, length = unpack(buffer, position)
            end = position + FRAME_BYTES + length
            if (
                its_mark != mark
                or end > len(buffer)
                or not MIN_BODY_BYTES <= length <= MAX_BODY_BYTES
                or crc_of(seed, buffer[position + _CHECKED : end]) != crc
            ):
                break
            found.append((position, end, back))
            position = end
        return found, position

    def frame_size(self, head: bytes) -> int | None:
        """How long the frame is that begins with these FRAME_BYTES; None when none can begin so."""
        if len(head) < FRAME_BYTES:
            return None
        mark, _, _, length = _FRAME.unpack(head)
        if mark != self.frame_mark or not MIN_BODY_BYTES <= length <= MAX_BODY_BYTES:
            return None
        return FRAME_BYTES + int(length)

    def group_start(self, offset: int, head: bytes) -> int:
        """Where the group of the good frame at `offset` begins, from its first FRAME_BYTES."""
        return offset - int(_FRAME.unpack(head)[2])

    def encode_footer(self, footer: Footer) -> bytes:
        """The last bytes of a sealed segment."""
        checked = _FOOTER.pack(b"", 0, footer.frames, footer.digest)[8:]
        return self._footer_mark + _crc(self._seed, checked).to_bytes(4, "little") + checked

    def decode_footer(self, last: bytes) -> Footer | None:
        """The footer in a segment's last FOOTER_BYTES; None when they are not a good one."""
        if len(last) != FOOTER_BYTES:
            return None
        mark, crc, frames, digest = _FOOTER.unpack(last)
        if mark != self._footer_mark or _crc(self._seed, last[8:]) != crc:
            return None
        return Footer(frames, digest)


def encode_mark(segment: str, mark: Mark) -> bytes:
    """The durable offset as published beside the segment of that name."""
    record = _MARK.pack(_MARK_MAGIC, mark.offset, mark.frames, 0)[:-4]
    return record + _crc(_crc(0, segment.encode()), record).to_bytes(4, "little")


def decode_mark(segment: str, published: bytes) -> Mark | None:
    """None when it says nothing (empty or zeros, as after a power cut). Raises CorruptFrame when damaged."""
    if not published.strip(b"\0"):
        return None
    if len(published) == MARK_BYTES:
        magic, offset, frames, crc = _MARK.unpack(published)
        if magic == _MARK_MAGIC and _crc(_crc(0, segment.encode()), published[:-4]) == crc:
            return Mark(offset, frames)
    raise CorruptFrame(
        "a published durable offset cannot be read",
        hint=f"`beejan verify` lists what can still be read; remove {segment}.durable to go on without it",
        segment=segment,
        offset=0,
    )
