"""What the query door and a process that works for it say to each other: frames on two pipes."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from catalog.errors import BadInput, BeejanError, TooLarge, TooSlow
from serve_apps.query.engine.port import Role, Value

SLACK_BYTES = 512 << 20
"""Of address space beside what the work itself may take: threads' stacks, and what reading Parquet maps."""
ERRORS: dict[str, type[BeejanError]] = {each.code: each for each in (BadInput, TooLarge, TooSlow)}


class Setup(msgspec.Struct, frozen=True):
    """The first frame: what to become before any query."""

    readable: str
    """The one folder whose files the engine may open."""
    memory_bytes: int
    statements: list[str]


class Ask(msgspec.Struct, frozen=True):
    """One query; `statements` bring the tables to the newest commit first."""

    statements: list[str]
    sql: str
    params: list[Value]
    role: Role
    rows: int
    bytes: int
    seconds: float


class Told(msgspec.Struct, frozen=True):
    """The answer to any frame: Arrow's stream format, a query for another engine, or an error's words."""

    views: list[str] = []
    truncated: bool = False
    arrow: bytes = b""
    error: str = ""
    message: str = ""
    hint: str = ""
    fields: dict[str, str | int] = {}
    sql: str = ""
    params: list[Value] = []


def failed(error: BeejanError) -> Told:
    """An error as an answer."""
    return Told(error=error.code, message=error.message, hint=error.hint, fields=error.fields)


def unfailed(told: Told) -> Told:
    """The answer, unless it is an error, which is raised as it was there."""
    if told.error:
        raise ERRORS[told.error](told.message, hint=told.hint, **told.fields)
    return told


def framed(told: Setup | Ask | Told) -> bytes:
    """One frame: its length in 8 bytes, then MessagePack. Raises BadInput for a value that fits in none."""
    try:
        body = msgspec.msgpack.encode(told)
    except (OverflowError, UnicodeEncodeError):
        raise BadInput(
            "a value of the query cannot be read", hint="texts in Unicode, numbers of 64 bits"
        ) from None
    return len(body).to_bytes(8, "big") + body


def write(pipe: BinaryIO, frame: bytes) -> None:
    """Now, not when a buffer is full."""
    pipe.write(frame)
    pipe.flush()


def read(pipe: BinaryIO) -> bytes:
    """The next frame's bytes; empty at the end of the pipe."""
    head = pipe.read(8)
    return pipe.read(int.from_bytes(head, "big")) if len(head) == 8 else b""


def work(asked: BinaryIO, told: BinaryIO, prepare: Callable[[Setup], Callable[[Ask], Told]]) -> None:
    """The life of such a process: set up, then a frame in, a frame out, until the pipe ends.

    `prepare` gives what answers. No file may be written by it, and memory ends.
    """
    setup = msgspec.msgpack.decode(read(asked), type=Setup)
    answer = prepare(setup)
    confine(setup.memory_bytes)
    write(told, framed(Told()))
    decoder = msgspec.msgpack.Decoder(Ask)
    while frame := read(asked):
        ask = decoder.decode(frame)
        # Ends this process even where the door, which should have ended it, is gone.
        signal.alarm(int(ask.seconds) + 5)
        write(told, framed(answer(ask)))
        signal.alarm(0)


def confine(memory_bytes: int) -> None:
    """No file may be written and no core dumped; memory ends somewhere above the limit of the work."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 2 * memory_bytes + SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
