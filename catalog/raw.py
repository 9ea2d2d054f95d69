"""The raw layer: sealed, committed segments as compressed NDJSON by event date and channel, immutable.

A segment becomes one file per event date and channel, and one manifest that names them with their
SHA-256. The manifest is the truth: files that none names are left-overs of a crash.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from catalog.clock import EPOCH, to_datetime
from catalog.durable import make_folders, sync_folder, write_synced
from catalog.envelope import NO_CHANNEL, Envelope, Located, stand_in
from catalog.errors import CorruptFrame, WrongVersion
from catalog.failpoints import hit
from catalog.ids import Kind

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
    """One raw file: `path` is relative to the raw folder."""

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
    received = line.received_at.astimezone(UTC) - EPOCH
    return Located(
        line.segment,
        line.offset,
        Envelope(
            event_id=line.event_id,
            id_origin=line.id_origin,
            channel=line.channel,
            source=line.source,
            received_us=(received.days * 86_400 + received.seconds) * 1_000_000 + received.microseconds,
            contract=line.contract,
            bundle=line.bundle,
            content_type=line.content_type,
            key_id=line.key_id,
            payload=payload_of(line),
        ),
    )


class Raw:
    """The raw folder: written by publication, read by replay, verification and late decisions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._manifests = root / "manifests"

    def write(self, segment: str, entries: Iterable[Entry]) -> Manifest:
        """Write the files and then the manifest of one segment; safe to repeat after a crash.

        A crash leaves hidden files, then files that no manifest names, then a whole publication.
        """
        groups: dict[tuple[str, str], list[bytes]] = {}
        for entry in entries:
            envelope = entry.located.envelope
            channel = NO_CHANNEL if envelope is None else envelope.channel
            groups.setdefault((entry.event_date, channel), []).append(to_line(entry))
        # 1. Every file whole and synced under a hidden name of our own. Left behind: hidden files.
        token = secrets.token_hex(8)
        files: list[File] = []
        for (event_date, channel), lines in sorted(groups.items()):
            data = pa.compress(b"\n".join(lines) + b"\n", codec="zstd", asbytes=True)
            path = f"event_date={event_date}/channel={channel}/{segment}.ndjson.zst"
            make_folders((self.root / path).parent, self.root)
            write_synced(self._hidden(path, token), data)
            digest = hashlib.sha256(data).hexdigest()
            files.append(File(path, event_date, channel, len(lines), len(data), digest))
        hit("publish.written")
        # 2. Their names, synced. Left behind: files that no manifest names, written again next time.
        for file in files:
            self._hidden(file.path, token).rename(self.root / file.path)
        for folder in {(self.root / file.path).parent for file in files}:
            sync_folder(folder)
        hit("publish.named")
        # 3. The manifest, whole or not at all. Left behind: a published segment.
        manifest = Manifest(VERSION, segment, sum(file.frames for file in files), tuple(files)).sealed()
        path_of_manifest = self._manifests / f"{segment}.json"
        hidden = self._manifests / f".{segment}.json.{token}"
        make_folders(self._manifests, self.root)
        write_synced(hidden, msgspec.json.encode(manifest))
        hidden.rename(path_of_manifest)
        sync_folder(self._manifests)
        hit("publish.manifest")
        return manifest

    def _hidden(self, path: str, token: str) -> Path:
        final = self.root / path
        return final.with_name(f".{final.name}.{token}")

    def sweep(self) -> None:
        """Remove the hidden files of publications that came to no end; one under way starts anew."""
        for pattern in ("event_date=*/channel=*/.*.ndjson.zst.*", "manifests/.*.json.*"):
            for hidden in self.root.glob(pattern):
                hidden.unlink(missing_ok=True)

    def segments(self) -> list[str]:
        """Names of the published segments."""
        if not self._manifests.is_dir():
            return []
        return sorted(path.stem for path in self._manifests.glob("*.json") if path.name[0] != ".")

    def manifest(self, segment: str) -> Manifest:
        """The manifest of a segment. LookupError when it is not published, CorruptFrame when damaged."""
        try:
            encoded = (self._manifests / f"{segment}.json").read_bytes()
        except FileNotFoundError:
            raise LookupError(segment) from None
        try:
            manifest = msgspec.json.decode(encoded, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _damaged(f"manifests/{segment}.json") from None
        if msgspec.json.encode(manifest.sealed()) != encoded or manifest.segment != segment:
            raise _damaged(f"manifests/{segment}.json")
        if manifest.version != VERSION:
            raise WrongVersion("raw manifest of another version", hint="use the version that wrote it")
        return manifest

    def lines(self, file: File) -> list[bytes]:
        """The lines of one file, its SHA-256 checked first. Raises CorruptFrame when it differs."""
        try:
            data = (self.root / file.path).read_bytes()
        except FileNotFoundError:
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
            damaged = [f"manifests/{segment}.json"]
            files = [
                File(
                    str(path.relative_to(self.root)),
                    "",
                    "",
                    0,
                    0,
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                )
                for path in sorted(self.root.glob(f"event_date=*/channel=*/{segment}.ndjson.zst"))
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


def _damaged(path: str) -> CorruptFrame:
    return CorruptFrame("a raw file is damaged or missing", hint="restore it from a backup", file=path)
