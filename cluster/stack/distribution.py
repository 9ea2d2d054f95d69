"""Trino's own files, server and console: fetched through Maven once, checked, pruned of what nobody uses."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import BadInput, Unavailable
from cluster.waiting import alone

VERSION = "476"
ARTIFACT = f"io.trino:trino-server:{VERSION}:tar.gz"
CONSOLE = f"io.trino:trino-cli:{VERSION}:jar:executable"
NAME = f"trino-server-{VERSION}"
SHA256 = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
CONSOLE_SHA256 = "fe4e9c7fb569cd67673afa1622945f6308e1e59bdb825419352b80887661757b"
PLUGINS = {
    "iceberg",
    "memory",
    "password-authenticators",
    "resource-group-managers",
    "session-property-managers",
}
UNUSED = (
    "net.snowflake_*",
    "org.rocksdb_*",
    "io.grpc_grpc-xds-*",
    "io.grpc_grpc-netty-shaded-*",
    "org.alluxio_*",
    "software.amazon.awssdk_glue-*",
    "com.azure_*",
    "com.microsoft.azure_*",
)
"""Of the table plugin's jars: stores and catalogs that are not ours."""


def installed(cache: Path, tarball: Path | None) -> Path:
    """The folder of the unpacked server, made at the first call.

    `tarball`, when given, is used and kept; else Maven fetches it. Raises BadInput for a tarball that is
    not this version's, Unavailable when Maven cannot fetch it.
    """
    target = cache / f"{NAME}-pruned"
    with alone(cache / "lock"):
        if not target.exists():
            if tarball is not None:
                _unpack(tarball, target)
            else:
                with _fetched(cache, ARTIFACT) as fetched:
                    _unpack(fetched, target)
    return target


def console_path(cache: Path) -> Path:
    """Where the console is, or will be."""
    return cache / f"trino-cli-{VERSION}.jar"


def console(cache: Path) -> Path:
    """The console as one file for Java, fetched at the first call. Raises Unavailable."""
    target = console_path(cache)
    with alone(cache / "lock"):
        if not target.exists():
            with _fetched(cache, CONSOLE) as fetched:
                if _digest(fetched) != CONSOLE_SHA256:
                    raise Unavailable("what Maven fetched is not Trino's console", hint="fetch it again")
                fetched.replace(target)
    return target


@contextmanager
def _fetched(cache: Path, artifact: str) -> Iterator[Path]:
    """The file of an artifact. It is gone afterwards, whole or not: Maven would never fetch it again."""
    downloads = cache / f"{artifact.split(':')[1]}.maven"
    file = _fetch(downloads, artifact)
    try:
        yield file
    finally:
        shutil.rmtree(downloads)


def _fetch(repository: Path, artifact: str) -> Path:
    """The one file of an artifact, group:name:version:type and perhaps classifier."""
    if shutil.which("mvn") is None:
        raise Unavailable(
            "Trino comes through Maven, which is not here",
            hint="install `maven`, or name a downloaded tarball in BEEJAN_TRINO_TARBALL",
            artifact=artifact,
        )
    get = ["mvn", "--batch-mode", "--quiet", "dependency:get", f"-Dartifact={artifact}", "-Dtransitive=false"]
    done = subprocess.run(
        [*get, f"-Dmaven.repo.local={repository}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Unavailable("Maven cannot fetch Trino", hint=done.stdout.strip()[:500], artifact=artifact)
    group, name, version, kind, *more = artifact.split(":")
    file = "-".join((name, version, *more))
    return repository.joinpath(*group.split("."), name, version, f"{file}.{kind}")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unpack(tarball: Path, target: Path) -> None:
    """Whole first, hard links kept, since what stays is linked to what goes."""
    try:
        found = _digest(tarball)
    except OSError as error:
        raise BadInput("the tarball cannot be read", hint=str(error.strerror), file=str(tarball)) from None
    if found != SHA256:
        raise BadInput(f"the tarball is not {ARTIFACT}", hint="fetch it again", file=str(tarball))
    new = target.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    with tarfile.open(tarball, "r|gz") as archive:
        # What is in it is pinned by its digest; the first Pythons of 3.11 know no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(new)
    for plugin in (new / NAME / "plugin").iterdir():
        if plugin.name not in PLUGINS:
            shutil.rmtree(plugin)
    for jar in (jar for each in UNUSED for jar in (new / NAME / "plugin" / "iceberg").glob(each)):
        jar.unlink()
    (new / NAME).replace(target)
    new.rmdir()
