"""One key for a home, whoever comes first, and its secret in no text."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.bundle.keys import PseudonymKey, load_or_create
from catalog.errors import Stopped
from catalog.objects.folder import Folder


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first, again = load_or_create(Folder(tmp_path / "keys")), load_or_create(Folder(tmp_path / "keys"))
    assert first == again
    assert len(first.secret) == 32
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(Folder(tmp_path / "other")).key_id != first.key_id


def test_the_secret_is_in_no_text() -> None:
    key = PseudonymKey("k1", b"s3cret-s3cret-s3cret-s3cret-s3cr")
    assert "s3cret" not in f"{key!r} {key}"


def test_processes_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from catalog.bundle.keys import load_or_create;"
        "from catalog.objects.folder import Folder;"
        "print(load_or_create(Folder(pathlib.Path(sys.argv[1]))).key_id)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "keys")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in racing}) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_damaged_key_stops_and_stays(tmp_path: Path) -> None:
    (tmp_path / "pseudonym.key").write_bytes(b"short")
    with pytest.raises(Stopped):
        load_or_create(Folder(tmp_path))
    assert (tmp_path / "pseudonym.key").read_bytes() == b"short"


def test_a_pseudonym_depends_on_key_kind_and_value() -> None:
    one, two = PseudonymKey("k1", b"1" * 32), PseudonymKey("k2", b"2" * 32)
    found = {
        one.pseudonym("msisdn", "+2348031234567"),
        one.pseudonym("account", "+2348031234567"),
        one.pseudonym("msisdn", "+2348031234568"),
        two.pseudonym("msisdn", "+2348031234567"),
    }
    assert len(found) == 4
    assert {len(each) for each in found} == {32}
