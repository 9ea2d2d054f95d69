"""The real servers: up, asked, killed, up again, down."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import obstore
import psycopg
import pytest
from obstore.exceptions import AlreadyExistsError, BaseError
from trino.exceptions import HttpError, TrinoUserError

from catalog.clock import SystemClock
from catalog.errors import Unavailable
from cluster.stack import daemon, lifecycle, seaweed, trino
from cluster.stack.stack import Stack
from cluster.waiting import wait
from serve_apps.query.access import rules
from tests.daily import some
from tests.stacks import settings_of

pytestmark = pytest.mark.slow

NAMES = ["postgres", "seaweed", "trino"]
CREATORS = 50
PATIENCE_S = 600.0
"""Only ever passes when it would never come."""
BEEJAN = Path(sys.executable).parent / "beejan"


@pytest.fixture
def stack(killed: Stack) -> Stack:
    """The servers that may be killed."""
    return killed


def up(stack: Stack) -> list[str]:
    """What had to be started."""
    return lifecycle.up(settings_of(stack.folder), SystemClock())


def down(stack: Stack) -> list[str]:
    """What had to be stopped."""
    return lifecycle.down(settings_of(stack.folder))


def pids(stack: Stack) -> dict[str, int]:
    """Each server's process, 0 when it has none."""
    return {each.name: each.pid for each in lifecycle.status(settings_of(stack.folder))}


def kill(stack: Stack, name: str) -> None:
    """As the kernel does it, to the end."""
    found = daemon.noted(Path(stack.folder, "run", f"{name}.pid"))
    assert found is not None
    found.send(signal.SIGKILL)
    while found.is_alive():
        os.sched_yield()


def asked(stack: Stack, user: str, sql: str) -> list[list[object]]:
    """What Trino answers a user."""
    with trino.connection(stack, user) as client:
        found: list[list[object]] = client.cursor().execute(sql).fetchall()
        return found


def command(stack: Stack, word: str) -> dict[str, object]:
    """What `beejan stack` says."""
    environment = {**os.environ, "BEEJAN_STACK": stack.folder}
    said = subprocess.check_output([BEEJAN, "stack", word, "--json"], env=environment, text=True)
    document: dict[str, object] = json.loads(said)
    return document


def test_the_pipeline_asks_over_tls_with_its_password(stack: Stack) -> None:
    assert asked(stack, "pipeline", "SELECT 1") == [[1]]
    assert ["lake"] in asked(stack, "pipeline", "SHOW CATALOGS")


def test_the_rules_of_the_roles_are_there_from_the_start(stack: Stack) -> None:
    assert json.loads(stack.rules.read_bytes()) == rules()
    for user in ("superset", "compliance"):
        with pytest.raises(TrinoUserError, match=r"Access Denied|not allowed"):
            asked(stack, user, "SELECT * FROM system.runtime.nodes")


def test_a_wrong_password_is_refused(stack: Stack) -> None:
    wrong = msgspec.structs.replace(stack, users=stack.users | {"pipeline": "wrong"})
    with pytest.raises(HttpError, match="401"):
        asked(wrong, "pipeline", "SELECT 1")


def test_rules_hold_a_second_after_they_were_written(stack: Stack) -> None:
    before = stack.rules.read_bytes()
    given = json.loads(before)
    given["queries"].insert(0, {"user": "superset", "allow": ["execute"]})
    try:
        stack.rules.write_text(json.dumps(given))
        while True:
            with suppress(TrinoUserError):
                assert asked(stack, "superset", "SELECT current_user") == [["superset"]]
                break
    finally:
        stack.rules.write_bytes(before)


@pytest.mark.parametrize(("role", "name"), [("catalog", "control"), ("control", "catalog")])
def test_each_role_sees_its_own_database_only(stack: Stack, role: str, name: str) -> None:
    place = f"host=127.0.0.1 port={stack.ports.postgres} user={role} password={stack.passwords[role]}"
    with psycopg.connect(f"{place} dbname={role}") as own:
        assert own.execute("SELECT current_user").fetchone() == (role,)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(f"{place} dbname={name}")


def test_the_catalog_has_the_tables_both_engines_share(stack: Stack) -> None:
    with psycopg.connect(stack.database("catalog").replace("+psycopg", "")) as own:
        found = own.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert {"iceberg_tables", "iceberg_namespace_properties"} <= {name for (name,) in found}


def test_of_many_who_create_one_object_one_is_first(stack: Stack) -> None:
    key = f"first/{secrets.token_hex(8)}"
    bucket = seaweed.store(stack, stack.keys.pipeline)

    def create(number: int) -> int | None:
        with suppress(AlreadyExistsError):
            obstore.put(bucket, key, str(number).encode(), mode="create")
            return number
        return None

    with ThreadPoolExecutor(CREATORS) as creators:
        first = [number for number in creators.map(create, range(CREATORS)) if number is not None]
    assert [str(number).encode() for number in first] == [bytes(obstore.get(bucket, key).bytes())]


def test_trino_writes_views_and_nothing_else(stack: Stack) -> None:
    bucket = seaweed.store(stack, stack.keys.trino)
    obstore.put(bucket, "views/one", b"")
    assert bytes(obstore.get(bucket, seaweed.ALIVE).bytes()) == b"alive"
    for refused in ("warehouse/one", seaweed.ALIVE, "one"):
        with pytest.raises(BaseError):
            obstore.put(bucket, refused, b"")


def test_up_again_does_nothing(stack: Stack) -> None:
    before = pids(stack)
    assert command(stack, "up")["started"] == []
    assert pids(stack) == before
    assert command(stack, "status")["up"] is True


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_hangs_is_told(stack: Stack, name: str) -> None:
    hanging = daemon.noted(Path(stack.folder, "run", f"{name}.pid"))
    assert hanging is not None
    # Of PostgreSQL the first process takes connections in.
    hanging.send(signal.SIGSTOP)
    try:
        heard = set[str]()

        def has_heard_the_others() -> bool:  # a busy machine may let one of them miss its time
            heard.update(answering(stack))
            return len(heard) >= len(NAMES) - 1

        assert wait(has_heard_the_others, PATIENCE_S)
    finally:
        hanging.send(signal.SIGCONT)
    assert heard == set(NAMES) - {name}
    assert wait(lambda: answering(stack) == set(NAMES), PATIENCE_S)


def answering(stack: Stack) -> set[str]:
    """The servers that answer in time."""
    return {each.name for each in lifecycle.status(settings_of(stack.folder)) if each.answers}


@pytest.mark.parametrize("name", some(NAMES, 2))
def test_a_killed_server_comes_up_again_with_what_it_kept(stack: Stack, name: str) -> None:
    key = f"kept/{name}"
    obstore.put(seaweed.store(stack, stack.keys.pipeline), key, name.encode())
    asked(stack, "pipeline", f"CREATE SCHEMA IF NOT EXISTS lake.kept_{name}")
    before = pids(stack)
    kill(stack, name)
    assert up(stack) == [name]
    after = pids(stack)
    assert {each for each in NAMES if after[each] != before[each]} == {name}
    assert bytes(obstore.get(seaweed.store(stack, stack.keys.pipeline), key).bytes()) == name.encode()
    assert [f"kept_{name}"] in asked(stack, "pipeline", "SHOW SCHEMAS FROM lake")


def test_the_store_syncs_before_it_answers(stack: Stack, tmp_path: Path) -> None:
    bucket, calls = seaweed.store(stack, stack.keys.pipeline), tmp_path / "calls"
    with traced(pids(stack)["seaweed"], calls):
        for number in range(20):
            obstore.put(bucket, f"synced/{number}", b"kept", mode="create")
    lines = calls.read_text().splitlines()
    for file in (".dat", "names.db-wal"):  # what was sent, and by what name
        assert len([line for line in lines if f"{file}>" in line]) >= 20, file


@contextmanager
def traced(pid: int, calls: Path) -> Iterator[None]:
    """Every sync of a process, by the name of its file."""
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", calls, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "attached" in process.stderr.readline()
            yield
        finally:
            process.kill()  # asked nicely it waits now and then for a thread that is gone


def test_after_a_power_cut_the_store_has_what_its_index_forgot(stack: Stack) -> None:
    """Volumes and names are synced, their indexes are not: the end of them is cut, and the machine's start
    another one."""
    bucket = seaweed.store(stack, stack.keys.pipeline)
    keys = [f"cut/{number}" for number in range(60)]
    for key in keys:
        obstore.put(bucket, key, key.encode())
    kill(stack, "seaweed")
    indexes = [each for each in Path(stack.folder, "seaweed").glob("*.idx") if each.stat().st_size]
    for index in indexes:
        os.truncate(index, max(0, index.stat().st_size - 3 * 17))  # bytes of an entry
    assert len(indexes) > 1
    Path(stack.folder, "seaweed", "booted").write_text("before the power cut")
    assert up(stack) == ["seaweed"]
    bucket = seaweed.store(stack, stack.keys.pipeline)
    assert [bytes(obstore.get(bucket, key).bytes()) for key in keys] == [key.encode() for key in keys]


@pytest.mark.parametrize("name", ["postgres", "seaweed"])
def test_one_that_does_not_stop_is_ended(stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lifecycle.STOPS, name, lifecycle.STOPS[name]._replace(seconds=0.1))
    hanging = daemon.noted(Path(stack.folder, "run", f"{name}.pid"))
    assert hanging is not None
    hanging.send(signal.SIGSTOP)
    assert lifecycle.down(settings_of(stack.folder), [name]) == [name]
    assert not hanging.is_alive()
    assert up(stack) == [name]


def test_down_leaves_no_process_and_up_brings_everything_back(stack: Stack) -> None:
    all_of_them = [pid for each in pids(stack).values() for pid in daemon.family(each)]
    asked(stack, "pipeline", "CREATE SCHEMA IF NOT EXISTS lake.stays")
    assert down(stack) == ["trino", "seaweed", "postgres"]
    assert [pid for pid in all_of_them if Path(f"/proc/{pid}").exists()] == []
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if mentions(path, stack.folder)] == []
    assert down(stack) == []
    assert set(pids(stack).values()) == {0}
    assert up(stack) == NAMES
    assert ["stays"] in asked(stack, "pipeline", "SHOW SCHEMAS FROM lake")


def mentions(path: Path, folder: str) -> bool:
    """Whether a command line names the folder; one that ended meanwhile does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return folder in path.read_text(errors="replace")
    return False


def test_a_port_that_another_holds_is_said(stack: Stack) -> None:
    kill(stack, "postgres")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound = partial(other.bind, ("127.0.0.1", stack.ports.postgres))
        while True:
            with suppress(OSError):  # until the last of its processes has let go
                bound()
                break
        other.listen()
        with pytest.raises(Unavailable, match="postgres does not come up") as raised:
            up(stack)
    assert Path(str(raised.value.fields["log"])).read_text().count("could not bind") == 1
    assert up(stack) == ["postgres"]


def test_only_its_owner_may_read_the_folder(stack: Stack) -> None:
    modes = Counter(
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in Path(stack.folder).iterdir()
    )
    assert set(modes) == {(True, 0o700), (False, 0o600)}
    assert stat.S_IMODE(Path(stack.folder).stat().st_mode) & 0o066 == 0


def listening(pid: int) -> Iterator[str]:
    """The addresses on which a process takes connections, in hexadecimal as the system keeps them."""
    held = set()
    with suppress(FileNotFoundError, ProcessLookupError):  # a process of a connection may end meanwhile
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                held.add(str(path.readlink()))
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == "0A" and f"socket:[{rest[5]}]" in held:
                    yield local.partition(":")[0]


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    found = Counter(
        address for each in pids(stack).values() for pid in daemon.family(each) for address in listening(pid)
    )
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert found.total() >= 10
    assert set(found) - loopback == set()


def test_no_secret_stands_in_a_command_line_or_environment(stack: Stack) -> None:
    pairs = msgspec.structs.astuple(stack.keys)
    hidden = [part for pair in pairs for part in (pair.access_key, pair.secret_key)]
    hidden += [*stack.passwords.values(), *stack.users.values(), stack.internal_secret]
    shown: list[bytes] = []
    for pid in (pid for each in pids(stack).values() for pid in daemon.family(each)):
        with suppress(FileNotFoundError, ProcessLookupError):  # a process of a connection may end meanwhile
            shown += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert len(shown) >= 2 * len(NAMES)
    assert [secret for secret in hidden if any(secret.encode() in each for each in shown)] == []


def test_no_secret_stands_in_a_log(stack: Stack) -> None:
    hidden = [*stack.passwords.values(), *stack.users.values(), stack.internal_secret]
    hidden += [pair.secret_key for pair in msgspec.structs.astuple(stack.keys)]
    said = "".join(path.read_text(errors="replace") for path in stack.logs.iterdir())
    assert [secret for secret in hidden if secret in said] == []
