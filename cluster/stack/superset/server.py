"""Superset as a server over the stack: who it lets in, its configuration, and how it is started."""

from __future__ import annotations

import secrets
from functools import partial
from importlib import resources
from pathlib import Path
from typing import ClassVar

import httpx
import msgspec

from catalog.errors import Unavailable, WrongVersion
from cluster.stack.server import Server, environment
from cluster.stack.stack import ADDRESS, Hidden, Stack, free_ports, write_private
from serve_apps.query.access import ACTS_FOR

VERSION = 1
FILE = "superset.json"
DATABASE = "superset"
ADMIN = "superset"
"""Called as Trino's technical user, so that it asks Trino as nobody else: it sees no row."""
ROLES = {True: ["Admin"], False: ["Alpha", "sql_lab"]}
"""Of the administrator; of everybody else: own charts, dashboards and SQL, no connections, no accounts."""
THREADS = 4
MEMORY_BYTES = 2 << 30
"""Of address space, of which it uses less than half; what asks for more fails instead of the machine."""
START_S = 300.0
ANSWER_S = 2.0
INSIDE = resources.files(__package__) / "inside"


class Superset(Hidden, frozen=True):
    """What a client needs to know of it. Its text form holds no secret."""

    version: int
    folder: str
    port: int
    secret: str
    password: str
    """Of the role and the database in the stack's PostgreSQL, in which it keeps what people make."""
    accounts: dict[str, str]
    """Name to password. Each is called as the user of Trino that it asks as."""

    admin: ClassVar[str] = ADMIN

    @classmethod
    def open(cls, stack: Stack) -> Superset:
        """What was written down beside the stack.

        Raises Unavailable when it was never started there, WrongVersion when another version did.
        """
        try:
            found = msgspec.json.decode((Path(stack.folder) / FILE).read_bytes(), type=cls)
        except FileNotFoundError:
            hint = "`beejan stack superset up` makes one"
            raise Unavailable("no Superset here", hint=hint, folder=stack.folder) from None
        except msgspec.MsgspecError:
            found = None
        if found is None or found.version != VERSION:
            hint = "drop its database and its role, `superset`, and remove its file"
            raise WrongVersion("Superset was set up by another version", hint=hint, folder=stack.folder)
        return msgspec.structs.replace(found, folder=stack.folder)

    @classmethod
    def create(cls, stack: Stack) -> Superset:
        """A new port, secret and passwords, written down for their owner's eyes only."""
        names = (ADMIN, *ACTS_FOR[ADMIN])
        passwords = {name: secrets.token_urlsafe(24) for name in names}
        secret, password = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        made = cls(VERSION, stack.folder, free_ports(1)[0], secret, password, passwords)
        write_private(Path(stack.folder, FILE), msgspec.json.format(msgspec.json.encode(made)))
        return made

    @property
    def address(self) -> str:
        """Where it answers, for browsers and programs."""
        return f"http://{ADDRESS}:{self.port}"


def server(given: Superset, programs: Path) -> Server:
    """Superset, whose environment's programs are in `programs`, as a server of the stack."""
    limited = ("/usr/bin/prlimit", f"--as={MEMORY_BYTES}", "--")
    options = {
        "bind": f"{ADDRESS}:{given.port}",
        "pythonpath": str(INSIDE),
        # One process: its threads wait for Trino most of the time, and each process takes 300 MB.
        "workers": 1,
        "worker-class": "gthread",
        "threads": THREADS,
        "timeout": int(START_S),
        "log-level": "warning",
    }
    words = (f"--{name}={value}" for name, value in options.items())
    return Server(
        "superset",
        given.port,
        (*limited, str(programs / "gunicorn"), *words, "application:make()"),
        environment(HOME=str(_home(given)), SUPERSET_CONFIG_PATH=str(_configuration(given))),
        START_S,
        partial(_answer, given),
    )


def prepare(stack: Stack, given: Superset) -> None:
    """Its folder and its configuration."""
    _home(given).mkdir(mode=0o700, exist_ok=True)
    text = "".join(f"{name} = {value!r}\n" for name, value in _settings(stack, given).items())
    write_private(_configuration(given), text.encode())


def _settings(stack: Stack, given: Superset) -> dict[str, object]:
    accounts = {name: (word, ROLES[name == ADMIN]) for name, word in given.accounts.items()}
    place = f"{ADDRESS}:{stack.ports.postgres}/{DATABASE}"
    return {
        "SECRET_KEY": given.secret,
        # It ships with well-known ones.
        "GUEST_TOKEN_JWT_SECRET": given.secret,
        "GLOBAL_ASYNC_QUERIES_JWT_SECRET": given.secret,
        "SQLALCHEMY_DATABASE_URI": f"postgresql+psycopg2://{DATABASE}:{given.password}@{place}",
        # After PostgreSQL was started again.
        "SQLALCHEMY_ENGINE_OPTIONS": {"pool_pre_ping": True},
        # An answer kept for one user would be shown to another, who may see less.
        "CACHE_CONFIG": {"CACHE_TYPE": "NullCache"},
        "DATA_CACHE_CONFIG": {"CACHE_TYPE": "NullCache"},
        "TALISMAN_ENABLED": True,
        # Below it are the queries of its users.
        "LOG_LEVEL": "WARNING",
        "ACCOUNTS": accounts,
    }


def _answer(given: Superset) -> None:
    httpx.get(f"{given.address}/health", timeout=ANSWER_S, trust_env=False).raise_for_status()


def _home(given: Superset) -> Path:
    return Path(given.folder, "superset")


def _configuration(given: Superset) -> Path:
    return _home(given) / "superset_config.py"
