"""What the query door and the process that runs its queries say to each other: frames on two pipes."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from serve_apps.query.engine.port import Role, Value


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
    """The answer to any frame: Arrow's stream format, or the code of an error and what it says."""

    views: list[str] = []
    truncated: bool = False
    arrow: bytes = b""
    error: str = ""
    message: str = ""
    hint: str = ""
    fields: dict[str, str | int] = {}


def write(pipe: BinaryIO, frame: Setup | Ask | Told) -> None:
    """One frame: its length in 8 bytes, then MessagePack."""
    body = msgspec.msgpack.encode(frame)
    pipe.write(len(body).to_bytes(8, "big") + body)
    pipe.flush()


def read(pipe: BinaryIO) -> bytes:
    """The next frame's bytes; empty at the end of the pipe."""
    head = pipe.read(8)
    return pipe.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
