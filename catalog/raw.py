"""The raw layer: sealed, committed segments as compressed NDJSON by event date and channel, immutable.

A segment becomes one file per event date and channel, and one manifest that names them with their
SHA-256. The manifest is the truth and stands once and for all. A file bears its own digest in its name: a
rival that compresses otherwise writes beside what is named, never over it. What is to be written is noted
first: once the segment has a manifest, what that does not name can never be named any more, and is removed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import PurePath
from typing import NamedTuple

import msgspec
import pyarrow as pa

from catalog.clock import to_datetime, to_us
from catalog.envelope import NO_CHANNEL, Envelope, Located, stand_in
from catalog.errors import CorruptFrame, WrongVersion
from catalog.failpoints import hit
from catalog.ids import Kind
from catalog.objects.port import Objects

VERSION = 1
UNKNOWN_DATE = "unknown"


class Line(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line: an envelope and where the log held it. Exactly one of the payload fields is set.

    `corrupt` marks the bytes that were left of a frame nobody could read.
    """

    event_id: str
    id_origin: Kind
    channel: str
    source: str
    received_at: datetime
    segment: str
    offset: int
    contract: str
    bundle: str
    content_type: str
    key_id: str
    payload: str | None = None
    payload_b64: str | None = None
    corrupt: bool = False


class File(msgspec.Struct, frozen=True):
    """One raw file: `path` is its key among the raw objects."""

    path: str
    event_date: str
    channel: str
    frames: int
    size_bytes: int = msgspec.field(name="bytes")
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What became of one segment. `sha256` covers the manifest without itself."""

    version: int
    segment: str
    frames: int
    files: tuple[File, ...]
    sha256: str = ""

    def sealed(self) -> Manifest:
        """This manifest with its own SHA-256."""
        bare = msgspec.json.encode(msgspec.structs.replace(self, sha256=""))
        return msgspec.structs.replace(self, sha256=hashlib.sha256(bare).hexdigest())


class Entry(NamedTuple):
    """A frame to publish: where it belongs, and the bytes left of it when its envelope is unreadable."""

    located: Located
    event_date: str
    remains: bytes


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def to_line(entry: Entry) -> bytes:
    """One JSON line, without its line end."""
    at = entry.located
    envelope = at.envelope or stand_in(at.segment, at.offset, remains=entry.remains)
    text = None if at.envelope is None else _text(envelope.payload)
    line = Line(
        event_id=envelope.event_id,
        id_origin=envelope.id_origin,
        channel=envelope.channel,
        source=envelope.source,
        received_at=to_datetime(envelope.received_us),
        segment=at.segment,
        offset=at.offset,
        contract=envelope.contract,
        bundle=envelope.bundle,
        content_type=envelope.content_type,
        key_id=envelope.key_id,
        payload=text,
        payload_b64=base64.b64encode(envelope.payload).decode() if text is None else None,
        corrupt=at.envelope is None,
    )
    return _encoder.encode(line)


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def payload_of(line: Line) -> bytes:
    """The payload's bytes as received."""
    return line.payload.encode() if line.payload is not None else base64.b64decode(line.payload_b64 or "")


def from_line(encoded: bytes) -> Located:
    """The same envelope again."""
    line = _decoder.decode(encoded)
    if line.corrupt:
        return Located(line.segment, line.offset, None)
    return Located(
        line.segment,
        line.offset,
        Envelope(
            event_id=line.event_id,
            id_origin=line.id_origin,
            channel=line.channel,
            source=line.source,
            received_us=to_us(line.received_at),
            contract=line.contract,
            bundle=line.bundle,
            content_type=line.content_type,
            key_id=line.key_id,
            payload=payload_of(line),
        ),
    )


class Raw:
    """The raw layer: written by publication, read by replay, verification and late decisions."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def write(self, segment: str, entries: Iterable[Entry]) -> Manifest:
        """Write the files and then the manifest of one segment; safe to repeat after a crash.

        Gives the manifest that stands, which may be a rival's; a damaged one is written anew.

        A crash leaves files that no manifest names, but a note does, then a whole publication. (Files
        without a note are left only by who wakes after a rival has published, writes on, and dies.)
        """
        groups: dict[tuple[str, str], list[bytes]] = {}
        for entry in entries:
            envelope = entry.located.envelope
            channel = NO_CHANNEL if envelope is None else envelope.channel
            groups.setdefault((entry.event_date, channel), []).append(to_line(entry))
        files: list[File] = []
        contents: dict[str, bytes] = {}
        for (event_date, channel), lines in sorted(groups.items()):
            data = pa.compress(b"\n".join(lines) + b"\n", codec="zstd", asbytes=True)
            digest = hashlib.sha256(data).hexdigest()
            path = f"event_date={event_date}/channel={channel}/{segment}.{digest[:16]}.ndjson.zst"
            contents[path] = data
            files.append(File(path, event_date, channel, len(lines), len(data), digest))
        ours = Manifest(VERSION, segment, sum(file.frames for file in files), tuple(files)).sealed()
        encoded = msgspec.json.encode(ours)
        # 1. A note of what will be written. Left behind: that.
        self._objects.put(_note(ours), encoded)
        # 2. Every file. Left behind: files that no manifest names, written again or removed by the note.
        for path, data in contents.items():
            self._objects.put(path, data)
        hit("publish.named")
        # 3. The manifest, whole or not at all, and never in place of another that can be read: what that does
        #    not name may be gone. Left behind: a published segment.
        if not self._objects.create(_manifest(segment), encoded) and self._is_damaged(segment):
            self._objects.put(_manifest(segment), encoded)
        hit("publish.manifest")
        # 4. What a rival's manifest does not name, and what those left that died. (Ours first: a rival may
        #    have removed the note before there was a file.)
        self._clear(ours)
        self._clear_noted()
        return self.manifest(segment)

    def sweep(self) -> None:
        """Remove what publications left that came to no end; one under way starts anew."""
        self._objects.sweep()
        self._clear_noted()

    def _is_damaged(self, segment: str) -> bool:
        try:
            self.manifest(segment)
        except CorruptFrame:
            return True
        return False

    def _clear_noted(self) -> None:
        for each in self._objects.list("notes"):
            # Not published yet, or nobody can tell what is named: then nothing of it is removed.
            with suppress(LookupError, CorruptFrame, WrongVersion):
                self._clear(self._stored(each.key))

    def _clear(self, noted: Manifest) -> None:
        """Remove the files of a note that the manifest of its segment does not name, then the note. Raises
        LookupError when there is no manifest: whoever wrote them, or the next one, may still name them."""
        named = {file.path for file in self.manifest(noted.segment).files}
        self._objects.delete([file.path for file in noted.files if file.path not in named])
        self._objects.delete([_note(noted)])

    def segments(self) -> list[str]:
        """Names of the published segments."""
        return [PurePath(each.key).stem for each in self._objects.list("manifests")]

    def manifest(self, segment: str) -> Manifest:
        """The manifest of a segment. LookupError when it is not published, CorruptFrame when damaged."""
        manifest = self._stored(_manifest(segment))
        if manifest.segment != segment:
            raise _damaged(_manifest(segment))
        return manifest

    def _stored(self, key: str) -> Manifest:
        encoded = self._objects.get(key)
        try:
            manifest = msgspec.json.decode(encoded, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _damaged(key) from None
        if msgspec.json.encode(manifest.sealed()) != encoded:
            raise _damaged(key)
        if manifest.version != VERSION:
            raise WrongVersion("raw manifest of another version", hint="use the version that wrote it")
        return manifest

    def lines(self, file: File) -> list[bytes]:
        """The lines of one file, its SHA-256 checked first. Raises CorruptFrame when it differs."""
        try:
            data = self._objects.get(file.path)
        except LookupError:
            raise _damaged(file.path) from None
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise _damaged(file.path)
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return bytes(stream.read()).splitlines()

    def read(self, segment: str, start: int = 0, stop: int | None = None) -> list[Located]:
        """The frames of a published segment in [start, stop), in the order the log had them."""
        found = [from_line(line) for file in self.manifest(segment).files for line in self.lines(file)]
        kept = [at for at in found if at.offset >= start and (stop is None or at.offset < stop)]
        return sorted(kept, key=lambda at: at.offset)

    def remains(self, segment: str, offset: int) -> bytes:
        """The bytes that were left of a frame nobody could read."""
        for file in self.manifest(segment).files:
            if file.channel == NO_CHANNEL:
                for encoded in self.lines(file):
                    line = _decoder.decode(encoded)
                    if line.corrupt and line.offset == offset:
                        return payload_of(line)
        raise LookupError(f"{segment}:{offset}")

    def salvage(self, segment: str) -> tuple[list[Located], list[str]]:
        """Everything readable of a segment, and the paths of what is not; raises nothing."""
        try:
            files: Sequence[File] = self.manifest(segment).files
        except (CorruptFrame, WrongVersion):
            # Without the manifest the file names still say which segment they hold.
            damaged = [_manifest(segment)]
            files = [
                File(each.key, "", "", 0, 0, hashlib.sha256(self._objects.get(each.key)).hexdigest())
                for each in self._objects.list("")
                if PurePath(each.key).name.startswith(f"{segment}.") and each.key != _manifest(segment)
            ]
        else:
            damaged = []
        found: list[Located] = []
        for file in files:
            try:
                found += [from_line(line) for line in self.lines(file)]
            except (CorruptFrame, msgspec.DecodeError, pa.ArrowException, OSError, ValueError):
                damaged.append(file.path)
        return found, damaged


def _manifest(segment: str) -> str:
    return f"manifests/{segment}.json"


def _note(manifest: Manifest) -> str:
    return f"notes/{manifest.sha256}.json"


def _damaged(path: str) -> CorruptFrame:
    return CorruptFrame("a raw file is damaged or missing", hint="restore it from a backup", file=path)
