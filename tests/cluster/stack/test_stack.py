"""What is written down of a stack: read back whole, shown without its secrets, kept from others."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import msgspec
import pytest

from catalog.errors import Unavailable, WrongVersion
from cluster.stack.stack import FILE, Stack


def secrets(stack: Stack) -> list[str]:
    """Everything in it that nobody may see."""
    pairs = msgspec.structs.astuple(stack.keys)
    keys = [part for pair in pairs for part in (pair.access_key, pair.secret_key)]
    return [*keys, *stack.passwords.values(), *stack.users.values(), stack.internal_secret]


def test_it_is_read_back_as_it_was_made_and_survives_pickling(tmp_path: Path) -> None:
    made = Stack.create(tmp_path)
    assert Stack.open(tmp_path) == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_its_text_form_holds_no_secret(tmp_path: Path) -> None:
    made = Stack.create(tmp_path)
    shown = f"{made!r} {made} {made.keys!r} {made.keys.owner!r}"
    assert [secret for secret in secrets(made) if secret in shown] == []
    assert str(made.ports.trino) in shown


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Stack.create(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_no_two_stacks_share_a_secret(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = Stack.create(tmp_path), Stack.create(tmp_path / "other")
    both = secrets(one) + secrets(other)
    assert len(set(both)) == len(both)


def test_every_port_is_another_below_those_of_outgoing_connections(tmp_path: Path) -> None:
    ports = msgspec.structs.astuple(Stack.create(tmp_path).ports)
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == len(ports)
    assert max(ports) < lowest


def test_a_folder_that_was_moved_is_found_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    Stack.create(tmp_path / "here")
    moved = (tmp_path / "here").rename(tmp_path / "there")
    assert Stack.open(moved).certificate.parent == moved


def test_a_folder_without_one_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="stack up"):
        Stack.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": 99}'])
def test_what_another_version_wrote_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(WrongVersion):
        Stack.open(tmp_path)


def test_a_later_version_of_the_same_form_is_refused(tmp_path: Path) -> None:
    made = Stack.create(tmp_path)
    (tmp_path / FILE).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(made, version=made.version + 1))
    )
    with pytest.raises(WrongVersion):
        Stack.open(tmp_path)
