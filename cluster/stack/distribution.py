"""Trino's own files: fetched through Maven once, checked, unpacked, and what nobody uses removed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import BadInput, Unavailable

VERSION = "476"
ARTIFACT = f"io.trino:trino-server:{VERSION}:tar.gz"
NAME = f"trino-server-{VERSION}"
SHA256 = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
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
    with _alone(cache):
        if not target.exists():
            if tarball is not None:
                _unpack(tarball, target)
            else:
                downloads = cache / f"{NAME}.maven"
                _unpack(_fetch(downloads), target)
                shutil.rmtree(downloads)
    return target


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Two that start at once do not both fetch it."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (cache / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _fetch(repository: Path) -> Path:
    if shutil.which("mvn") is None:
        raise Unavailable(
            "Trino comes through Maven, which is not here",
            hint="install `maven`, or name a downloaded tarball in BEEJAN_TRINO_TARBALL",
            artifact=ARTIFACT,
        )
    get = ["mvn", "--batch-mode", "--quiet", "dependency:get", f"-Dartifact={ARTIFACT}", "-Dtransitive=false"]
    done = subprocess.run(
        [*get, f"-Dmaven.repo.local={repository}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Unavailable("Maven cannot fetch Trino", hint=done.stdout.strip()[:500], artifact=ARTIFACT)
    return repository / "io" / "trino" / "trino-server" / VERSION / f"{NAME}.tar.gz"


def _unpack(tarball: Path, target: Path) -> None:
    """Whole first, hard links kept, since what stays is linked to what goes."""
    try:
        with tarball.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadInput("the tarball cannot be read", hint=str(error.strerror), file=str(tarball)) from None
    if found != SHA256:
        raise BadInput(f"the tarball is not {ARTIFACT}", hint="fetch it again", file=str(tarball))
    new = target.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    with tarfile.open(tarball, "r|gz") as archive:
        archive.extractall(new, filter="data")
    for plugin in (new / NAME / "plugin").iterdir():
        if plugin.name not in PLUGINS:
            shutil.rmtree(plugin)
    for jar in (jar for each in UNUSED for jar in (new / NAME / "plugin" / "iceberg").glob(each)):
        jar.unlink()
    (new / NAME).replace(target)
    new.rmdir()
