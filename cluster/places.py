"""Where a deployment keeps what: the same in every process of it, whatever machine it runs on."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from catalog.errors import BadInput, Unavailable
from catalog.objects.folder import Folder
from catalog.objects.port import Objects
from catalog.objects.s3 import S3, Place
from cluster.settings import Settings
from cluster.stack.stack import Hidden, Stack, write_private

if TYPE_CHECKING:
    from catalog.lake.place import LakePlace


CONNECT_S = 1.0


class Trino(Hidden, frozen=True, forbid_unknown_fields=True):
    """Where SQL is answered: an https address, the file of the certificate to trust, a password by role."""

    address: str
    certificate: str
    users: dict[str, str]

    @property
    def host_port(self) -> tuple[str, int]:
        """Of its address."""
        url = urlsplit(self.address)
        return url.hostname or "", url.port or 443

    def require_answer(self, seconds: float = CONNECT_S) -> None:
        """Raises Unavailable where nobody shows the certificate in time; loads nothing that takes long."""
        try:
            trusted = ssl.create_default_context(cafile=self.certificate)
            with socket.create_connection(self.host_port, seconds) as plain:
                trusted.wrap_socket(plain, server_hostname=self.host_port[0]).close()
        except OSError as error:
            kind = type(error).__name__
            raise Unavailable("the SQL server does not answer", hint="is it up?", kind=kind) from None


class Places(Hidden, frozen=True, forbid_unknown_fields=True):
    """The URLs of both databases; where log, raw layer, bundles and the pseudonym key are (a folder, or a
    prefix in a bucket), and the tables' files; who answers SQL: Trino, or this product's engine when None."""

    catalog_url: str
    control_url: str
    objects: Place
    warehouse: str
    trino: Trino | None = None

    @property
    def is_local(self) -> bool:
        """Whether all of it is in a folder of this machine."""
        return "://" not in self.objects.url

    def within(self, name: str) -> Objects:
        """The objects of one store."""
        place = self.objects.within(name)
        return Folder(Path(place.url)) if self.is_local else S3(place)

    @property
    def lake(self) -> LakePlace:
        """What the lake needs of it."""
        from catalog.lake.place import LakePlace  # takes long to import, as everything of the databases does

        given = self.objects
        files = {
            "s3.endpoint": given.endpoint,
            "s3.region": given.region,
            "s3.access-key-id": given.key_id,
            "s3.secret-access-key": given.secret,
        }
        return LakePlace(self.catalog_url, self.warehouse, {} if self.is_local else files)


def embedded(home: Path) -> Places:
    """Everything in one folder of local disk."""
    from catalog.control.schema import sqlite_url
    from catalog.lake.place import local

    lake = local(home)
    control = sqlite_url(home / "control.db")
    return Places(lake.catalog_url, control, Place(str(home), "", "", "", ""), lake.warehouse)


def of_stack(stack: Stack) -> Places:
    """The whole bucket and both databases of the servers on this machine."""
    keys, bucket = stack.keys.pipeline, f"s3://{stack.bucket}"
    objects = Place(bucket, stack.s3_endpoint, stack.region, keys.access_key, keys.secret_key)
    trino = Trino(stack.trino_address, str(stack.certificate), stack.users)
    catalog, control = stack.database("catalog"), stack.database("control")
    return Places(catalog, control, objects, stack.warehouse, trino)


def places(settings: Settings) -> Places:
    """Where this deployment keeps what. Raises BadInput for a file that cannot be used; never quotes it."""
    if settings.profile == "embedded":
        return embedded(settings.home)
    return read(settings.cluster)


def write(given: Places, path: Path) -> Path:
    """Keep places in a file that only its owner may read; its path."""
    write_private(path, msgspec.json.format(msgspec.json.encode(given)))
    return path


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
