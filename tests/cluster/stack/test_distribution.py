"""Trino's files: the right tarball only, unpacked without what nobody uses."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.errors import BadInput, BeejanError, Unavailable
from cluster.stack import distribution
from cluster.stack.distribution import NAME, console, installed

KEPT = {"lib/a.jar", "plugin/iceberg/linked.jar", "plugin/iceberg/iceberg-1.jar", "bin/launcher"}


@pytest.fixture
def tarball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of the same shape, with a jar that stays linked to one that goes."""
    path = tmp_path / "trino.tar.gz"
    names = ["lib/a.jar", "bin/launcher", "plugin/hive/big.jar", "plugin/iceberg/iceberg-1.jar"]
    names += ["plugin/iceberg/net.snowflake_driver-1.jar", "plugin/iceberg/com.azure_x-1.jar"]
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"{NAME}/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
        link = tarfile.TarInfo(f"{NAME}/plugin/iceberg/linked.jar")
        link.type, link.linkname = tarfile.LNKTYPE, f"{NAME}/plugin/hive/big.jar"
        archive.addfile(link)
    monkeypatch.setattr(distribution, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_what_nobody_uses_is_removed_and_the_tarball_kept(tmp_path: Path, tarball: Path) -> None:
    found = installed(tmp_path / "cache", tarball)
    assert {str(path.relative_to(found)) for path in found.rglob("*") if path.is_file()} == KEPT
    assert (found / "plugin/iceberg/linked.jar").read_text() == "plugin/hive/big.jar"
    assert tarball.exists()
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"lock", found.name}


def test_the_second_time_nothing_is_needed(tmp_path: Path, tarball: Path) -> None:
    first = installed(tmp_path / "cache", tarball)
    assert installed(tmp_path / "cache", tmp_path / "not-there") == first


def test_half_of_it_is_made_anew(tmp_path: Path, tarball: Path) -> None:
    half = tmp_path / "cache" / f"{NAME}-pruned.new" / NAME / "plugin" / "hive"
    half.mkdir(parents=True)
    assert (installed(tmp_path / "cache", tarball) / "lib/a.jar").exists()


def test_another_tarball_is_refused_and_nothing_stays(tmp_path: Path, tarball: Path) -> None:
    tarball.write_bytes(tarball.read_bytes() + b"more")
    with pytest.raises(BadInput, match="fetch it again"):
        installed(tmp_path / "cache", tarball)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"lock"}


def test_a_tarball_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        installed(tmp_path / "cache", tmp_path / "none")


def test_without_maven_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="BEEJAN_TRINO_TARBALL"):
        installed(tmp_path / "cache", None)


def test_what_maven_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no such artifact\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unavailable, match="no such artifact"):
        installed(tmp_path / "cache", None)


@pytest.mark.parametrize("get", [lambda cache: installed(cache, None), console])
def test_what_came_broken_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, get: Callable[[Path], Path]
) -> None:
    """Maven takes what is in its folder already for the real one."""
    monkeypatch.setattr(distribution, "_fetch", broken)
    with pytest.raises(BeejanError, match="fetch it again"):
        get(tmp_path / "cache")
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"lock"}


def broken(repository: Path, artifact: str) -> Path:
    """In place of Maven: half a file."""
    repository.mkdir()
    (repository / "half").write_bytes(artifact.encode())
    return repository / "half"
