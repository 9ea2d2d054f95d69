"""What a client needs to know of the servers: addresses, names, passwords, the certificate."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import msgspec

from catalog.durable import sync_folder, write_synced
from catalog.errors import BadInput, Unavailable, WrongVersion

VERSION = 1
ADDRESS = "127.0.0.1"
TRINO_HOST = "localhost"
"""The name in the certificate: called by its number, Trino shows an internal one."""
BUCKET = "beejan"
REGION = "us-east-1"
WAREHOUSE = f"s3://{BUCKET}/warehouse"
VIEWS = f"s3://{BUCKET}/views"
"""The one place in the bucket that Trino writes to: a schema of views belongs here."""
DATABASES = ("catalog", "control")
USERS = ("analyst", "operations", "finance", "compliance", "pipeline", "superset")
FILE = "stack.json"
_PORTS = range(20_000, 32_000)
"""Below those that the kernel lends to outgoing connections, one of which could sit on ours."""


class Hidden(msgspec.Struct, frozen=True):
    """A value whose text form says what it is and no more."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class KeyPair(Hidden, frozen=True):
    """Who one is to the S3 store."""

    access_key: str
    secret_key: str


class KeyPairs(Hidden, frozen=True):
    """`owner` makes buckets, `pipeline` reads and writes ours, `trino` reads it and writes views only."""

    owner: KeyPair
    pipeline: KeyPair
    trino: KeyPair


class Ports(msgspec.Struct, frozen=True):
    """Where each server listens, all on the loopback address."""

    postgres: int
    trino: int
    s3: int
    s3_grpc: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int


class Stack(msgspec.Struct, frozen=True):
    """Everything that a client of the servers needs. Pickles; its text form holds no secret."""

    version: int
    folder: str
    ports: Ports
    keys: KeyPairs
    passwords: dict[str, str]
    """Of PostgreSQL's roles: its owner `postgres`, `catalog` and `control`."""
    users: dict[str, str]
    """Of Trino: name to password."""
    internal_secret: str

    address: ClassVar[str] = ADDRESS
    trino_host: ClassVar[str] = TRINO_HOST
    bucket: ClassVar[str] = BUCKET
    region: ClassVar[str] = REGION
    warehouse: ClassVar[str] = WAREHOUSE
    views: ClassVar[str] = VIEWS

    def __repr__(self) -> str:
        return f"Stack({self.folder!r}, {self.ports!r})"

    @classmethod
    def open(cls, folder: Path) -> Stack:
        """What was written down in the stack's folder; it may stand elsewhere now than when it was.

        Raises Unavailable when no stack was ever started there, WrongVersion when another version did.
        """
        try:
            content = (folder / FILE).read_bytes()
        except FileNotFoundError:
            hint = "`beejan stack up` makes one, BEEJAN_STACK says where"
            raise Unavailable("no stack here", hint=hint, folder=str(folder)) from None
        try:
            found = msgspec.json.decode(content, type=cls)
        except msgspec.MsgspecError:
            found = None
        if found is None or found.version != VERSION:
            hint = "stop it with the version that made it, then remove the folder"
            raise WrongVersion("the stack was made by another version", hint=hint, folder=str(folder))
        return msgspec.structs.replace(found, folder=str(folder.absolute()))

    @classmethod
    def create(cls, folder: Path) -> Stack:
        """New ports, keys and passwords, written down for their owner's eyes only."""
        made = cls(
            version=VERSION,
            folder=str(folder.absolute()),
            ports=Ports(*free_ports(len(Ports.__struct_fields__))),
            keys=KeyPairs(*(KeyPair(secrets.token_hex(10), secrets.token_urlsafe(30)) for _ in range(3))),
            passwords={role: secrets.token_urlsafe(24) for role in ("postgres", *DATABASES)},
            users={user: secrets.token_urlsafe(24) for user in USERS},
            internal_secret=secrets.token_urlsafe(48),
        )
        write_private(folder / FILE, msgspec.json.format(msgspec.json.encode(made)))
        return made

    def database(self, name: str) -> str:
        """SQLAlchemy's address of the database `catalog` or `control`, under the role of that name."""
        return f"postgresql+psycopg://{name}:{self.passwords[name]}@{ADDRESS}:{self.ports.postgres}/{name}"

    @property
    def s3_endpoint(self) -> str:
        """Where the S3 store answers; buckets are in the path."""
        return f"http://{ADDRESS}:{self.ports.s3}"

    @property
    def trino_address(self) -> str:
        """Where Trino answers."""
        return f"https://{TRINO_HOST}:{self.ports.trino}"

    @property
    def certificate(self) -> Path:
        """What clients verify Trino with, in PEM."""
        return Path(self.folder, "certificate.pem")

    @property
    def rules(self) -> Path:
        """Trino's access rules, read again a second after they changed."""
        return Path(self.folder, "trino", "etc", "rules.json")

    @property
    def logs(self) -> Path:
        """What each server said since it was started, and before."""
        return Path(self.folder, "logs")


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner reads, whole or not there."""
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    write_synced(new, content)
    new.replace(path)
    sync_folder(path.parent)


def free_ports(count: int, address: str = ADDRESS) -> list[int]:
    """Ports that nobody listens on now at this address, "" for every one. Raises BadInput when there are too
    few."""
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(len(_PORTS)):
            tried = held.enter_context(socket.socket())
            try:
                tried.bind((address, secrets.choice(_PORTS)))
            except OSError:
                continue
            found.append(tried.getsockname()[1])
            if len(found) == count:
                return found
    raise BadInput("too few free ports", hint=f"something holds most of {_PORTS.start} to {_PORTS.stop}")


def free_range(count: int) -> int:
    """The first of `count` ports in a row that nobody listens on now. Raises BadInput when there are none."""
    for _ in range(1_000):
        first = secrets.choice(_PORTS[:-count])
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind((ADDRESS, port))
            except OSError:
                continue
            return first
    raise BadInput("too few free ports", hint=f"something holds most of {_PORTS.start} to {_PORTS.stop}")
