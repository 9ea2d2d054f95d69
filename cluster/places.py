"""Where a deployment keeps what: the same in every process of it, whatever machine it runs on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from catalog.control.schema import sqlite_url
from catalog.errors import BadInput
from catalog.lake.store import LakePlace, local
from cluster.settings import Settings


class Hidden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value whose text form holds no secret: only its name."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Objects(Hidden, frozen=True, forbid_unknown_fields=True):
    """Where log, raw layer, bundles and the pseudonym key are: a folder, or `s3://bucket/prefix` and how to
    get there."""

    url: str
    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.url


class Trino(Hidden, frozen=True, forbid_unknown_fields=True):
    """Where SQL is answered: an https address, the file of the certificate to trust, a password by role."""

    address: str
    certificate: str
    users: dict[str, str]


class Places(Hidden, frozen=True, forbid_unknown_fields=True):
    """The URLs of both databases, the objects, where the tables' files are, and who answers SQL: Trino, or
    this product's own engine when None."""

    catalog_url: str
    control_url: str
    objects: Objects
    warehouse: str
    trino: Trino | None = None

    @property
    def lake(self) -> LakePlace:
        """What the lake needs of it."""
        given = self.objects
        files = {
            "s3.endpoint": given.endpoint,
            "s3.region": given.region,
            "s3.access-key-id": given.key_id,
            "s3.secret-access-key": given.secret,
        }
        return LakePlace(self.catalog_url, self.warehouse, {} if given.is_local else files)


def embedded(home: Path) -> Places:
    """Everything in one folder of local disk."""
    lake = local(home)
    control = sqlite_url(home / "control.db")
    return Places(lake.catalog_url, control, Objects(str(home)), lake.warehouse)


def places(settings: Settings) -> Places:
    """Where this deployment keeps what. Raises BadInput for a file that cannot be used; never quotes it."""
    if settings.profile == "embedded":
        return embedded(settings.home)
    return read(settings.cluster)


def read(path: Path) -> Places:
    """Places from a JSON file that only its owner may read."""
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        cause = str(error.strerror)
        hint = "BEEJAN_CLUSTER names it"
        raise BadInput("the cluster's file cannot be read", hint=hint, file=str(path), cause=cause) from None
    if mode & 0o077:
        raise BadInput("the cluster's file is open to others", hint="chmod 600", file=str(path))
    try:
        found = msgspec.json.decode(content, type=Places)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        fields = ", ".join(Places.__struct_fields__)
        raise BadInput("the cluster's file is not one", hint=f"JSON with {fields}", file=str(path)) from None
    urls = (found.catalog_url, found.control_url)
    if not all(url.startswith("postgresql+psycopg://") for url in urls):
        hint = "both databases: postgresql+psycopg://…"
        raise BadInput("a cluster keeps its databases in PostgreSQL", hint=hint, file=str(path))
    if not (found.objects.url.startswith("s3://") and found.warehouse.startswith("s3://")):
        hint = "objects.url and warehouse: s3://bucket/…"
        raise BadInput("a cluster keeps its files in an S3 store", hint=hint, file=str(path))
    return found
