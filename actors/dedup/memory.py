"""The memory of ids and bands: committed rows only, a checkpoint on disk and what came after in memory.

Everything in it is derived from the table, so whatever cannot be trusted is emptied and caught up again.
"""

from __future__ import annotations

import logging
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lmdb
import numpy as np
import pyarrow as pa

from actors.dedup.entries import ID_BYTES, Overlay, Uint64s, slices
from catalog import failpoints
from catalog.errors import MemoryBehind, Unavailable, WrongVersion

FORMAT = b"2"
COMMIT_ORDER = [("plan", "ascending"), ("segment", "ascending"), ("offset", "ascending")]

_POSITION = struct.Struct(">QI")
_ID_DATABASE, _EVENT_DATABASE, _BUCKET_DATABASE = b"ids", b"events", b"buckets"
_DAMAGE = (
    lmdb.BadChecksumError,
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)

log = logging.getLogger(__name__)


class Position(NamedTuple):
    """The last plan known, and the chain up to it; (0, "") knows nothing."""

    seq: int
    chain: str


class Memory:
    """Ids, events and buckets of all committed plans up to `position`; one process owns it, no thread or
    forked child shares it.

    The files are opened by the first use, not by the constructor: an actor whose constructor fails is not
    started again, and whoever waits for a lease must not wait for another process's transaction instead.
    Should another process have written the checkpoint meanwhile, the next use takes that checkpoint for
    its own and raises MemoryBehind; a damaged checkpoint is emptied, with the same answer.
    """

    def __init__(self, folder: Path, bucket_limit: int, map_bytes: int = 1 << 28) -> None:
        self._folder = folder
        self._limit = bucket_limit * ID_BYTES
        self._map_bytes = map_bytes
        self._overlay = Overlay()
        self._env: Any = None

    @property
    def position(self) -> Position:
        """The last plan known. Raises Unavailable when the files cannot be opened."""
        self._ensure_open()
        return self._position

    def digests(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Payload digest of every id that is known."""
        ids = self._overlay.ids
        found = {key: ids[key] for key in keys if key in ids}
        found.update(self._read(_ID_DATABASE, sorted(key for key in keys if key not in ids)))
        return {key: entry[:ID_BYTES] for key, entry in found.items()}

    def events(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The entries (`event_entries`) of events that take part in links."""
        events = self._overlay.events
        found = {key: events[key] for key in keys if key in events}
        found.update(self._read(_EVENT_DATABASE, sorted(key for key in keys if key not in events)))
        return found

    def buckets(self, bands: Uint64s) -> dict[int, bytes]:
        """The non-empty buckets among `bands` (sorted): the last event ids that came in, in commit order."""
        recent = self._overlay.buckets
        found = {
            int.from_bytes(key, "big"): bucket
            for key, bucket in self._read(_BUCKET_DATABASE, slices(bands.astype(">u8").tobytes(), 8)).items()
        }
        for band in bands.tolist():
            if band in recent:
                found[band] = (found.get(band, b"") + recent[band])[-self._limit :]
        return found

    def learn(self, rows: pa.Table, position: Position) -> None:
        """Add the rows of all plans after the present position up to the new one; nothing durable."""
        self._ensure_open()
        self._overlay.learn(rows.sort_by(COMMIT_ORDER), self._limit)
        self._position = position

    def checkpoint(self) -> None:
        """Make all that was learnt durable, in one transaction; safe to repeat."""
        failpoints.hit("checkpoint.begun")
        with self._guard():
            while not self._written():
                self._env.set_mapsize(2 * self._env.info()["map_size"])
        self._checkpointed, self._overlay = self._position, Overlay()
        failpoints.hit("checkpoint.written")

    def reset(self) -> None:
        """Know nothing, durably."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._ensure_open()

    def close(self) -> None:
        """Let go of the files; what was learnt since the checkpoint is gone."""
        if self._env is not None:
            self._env.close()
        self._env = None

    def _ensure_open(self) -> None:
        if self._env is not None:
            return
        try:
            self._open()
        except _DAMAGE as error:
            log.warning("memory of ids is damaged and starts empty: %s", type(error).__name__)
            self.reset()
        except (lmdb.Error, OSError) as error:
            self.close()
            raise _unavailable(error) from None
        except BaseException:  # half open, whatever it was: the next use opens it again
            self.close()
            raise

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(
            str(self._folder), map_size=self._map_bytes, max_dbs=4, readahead=False, writemap=False
        )
        # Reading a mapped file past its end would end the process.
        if self._data.stat().st_size < (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]:
            raise lmdb.CorruptedError("shorter than its last page")
        with self._env.begin(write=True) as txn:
            if txn.stat()["entries"] == 0:
                txn.put(b"format", FORMAT)
                txn.put(b"position", self._packed(Position(0, "")))
            if txn.get(b"format") != FORMAT:
                raise WrongVersion(
                    "the memory of ids was written in a format this version does not know",
                    hint="run the version that wrote it, or delete the folder: it is rebuilt from the table",
                    folder=str(self._folder),
                )
            packed = txn.get(b"position", b"")
        self._databases = {
            name: self._env.open_db(name) for name in (_ID_DATABASE, _EVENT_DATABASE, _BUCKET_DATABASE)
        }
        for path in (self._data, self._folder / "lock.mdb", self._folder, self._folder.parent):
            _sync(path)
        self._adopt(packed)

    def _adopt(self, packed: bytes) -> None:
        seq, limit = _POSITION.unpack_from(packed)
        if limit != self._limit:
            log.warning("memory of ids was written under another bucket limit and starts empty")
            self.reset()
            return
        self._position = self._checkpointed = Position(seq, packed[_POSITION.size :].decode())
        self._overlay = Overlay()

    def _packed(self, position: Position) -> bytes:
        return _POSITION.pack(position.seq, self._limit) + position.chain.encode()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Around every use: what the checkpoint turns out not to be is MemoryBehind, from where it stands."""
        need = self.position.seq
        try:
            yield
        except (_Overtaken, lmdb.MapResizedError):
            self.close()
            self._ensure_open()
        except _DAMAGE as error:
            log.warning("memory of ids is damaged and starts empty: %s", type(error).__name__)
            self.reset()
        except (lmdb.Error, OSError) as error:
            raise _unavailable(error) from None
        else:
            return
        raise MemoryBehind(
            "the checkpoint is not what this process left",
            hint="catch up from the table",
            have=self.position.seq,
            need=need,
        )

    def _own(self, txn: Any) -> None:
        if txn.get(b"position") != self._packed(self._checkpointed):
            raise _Overtaken

    def _read(self, database: bytes, keys: list[bytes]) -> dict[bytes, bytes]:
        with self._guard(), self._env.begin() as txn:
            self._own(txn)
            if not keys:
                return {}
            with txn.cursor(self._databases[database]) as cursor:
                return dict(cursor.getmulti(keys))

    def _written(self) -> bool:
        """False when the map is full; nothing was written then."""
        try:
            with self._env.begin(write=True) as txn:
                self._own(txn)
                self._put(txn, _ID_DATABASE, sorted(self._overlay.ids.items()))
                self._put(txn, _EVENT_DATABASE, sorted(self._overlay.events.items()))
                self._put(txn, _BUCKET_DATABASE, self._merged(txn))
                txn.put(b"position", self._packed(self._position))
        except lmdb.MapFullError:
            return False
        return True

    def _put(self, txn: Any, database: bytes, entries: list[tuple[bytes, bytes]]) -> None:
        with txn.cursor(self._databases[database]) as cursor:
            cursor.putmulti(entries)

    def _merged(self, txn: Any) -> list[tuple[bytes, bytes]]:
        """Buckets to write, by key: what is durable, then what was learnt, the last of it."""
        learnt = self._overlay.buckets
        bands = np.sort(np.fromiter(learnt, np.uint64, len(learnt)))
        keys = slices(bands.astype(">u8").tobytes(), 8)
        merged = dict(zip(keys, map(learnt.__getitem__, bands.tolist()), strict=True))
        with txn.cursor(self._databases[_BUCKET_DATABASE]) as cursor:
            for key, durable in cursor.getmulti(keys):
                merged[key] = (durable + merged[key])[-self._limit :]
        return list(merged.items())

    @property
    def _data(self) -> Path:
        return self._folder / "data.mdb"


class _Overtaken(Exception):
    """Another process wrote the checkpoint."""


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable("the memory of ids cannot be read or written", hint="check its disk", cause=str(error))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
