"""Opening the lake: its catalog, its tables and the settings that the commit protocol relies on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from catalog import sqlite
from catalog.durable import make_folders, sync_folder
from catalog.errors import Stopped, Unavailable, UnsafeStore, WrongVersion
from catalog.lake.fileio import SyncedFileIO
from catalog.tables import TABLES, TableSpec, Type

CATALOG_NAME = "lake"
SPEC_VERSION = "beejan.spec_version"
LOADS = 10
ATTEMPTS = 4
FILE_IO = f"{SyncedFileIO.__module__}.{SyncedFileIO.__qualname__}"

TABLE_PROPERTIES = {
    # Without merging, every commit adds a manifest and planning slows with each of them; small targets
    # keep one merge short.
    TableProperties.MANIFEST_MERGE_ENABLED: "true",
    TableProperties.MANIFEST_MIN_MERGE_COUNT: "20",
    TableProperties.MANIFEST_TARGET_SIZE_BYTES: "65536",
    TableProperties.METADATA_PREVIOUS_VERSIONS_MAX: "10",
    TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED: "true",
    TableProperties.PARQUET_COMPRESSION: "zstd",
    # Bounds are kept where reading prunes by them: plan by plan, and by time.
    TableProperties.DEFAULT_WRITE_METRICS_MODE: "none",
    f"{TableProperties.METRICS_MODE_COLUMN_CONF_PREFIX}.plan": "full",
    f"{TableProperties.METRICS_MODE_COLUMN_CONF_PREFIX}.event_time": "full",
}

_TYPES: dict[Type, IcebergType] = {
    "string": StringType(),
    "long": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "date": DateType(),
    "timestamptz": TimestamptzType(),
    "binary": BinaryType(),
}
_ELEMENTS: dict[Type, IcebergType] = {"list<long>": LongType(), "list<string>": StringType()}

T = TypeVar("T")


def disable_retries() -> None:
    """Switch the library's own commit retry off for this process.

    A retry appends on top of whoever was faster, so both would have committed plan n. As a stored table
    property it would bind other engines' maintenance too.
    """
    TableProperties.COMMIT_NUM_RETRIES_DEFAULT = 0


class Store:
    """An Iceberg catalog in a SQL database, its tables present and loaded afresh on every `load`."""

    def __init__(self, catalog_uri: str, warehouse: Path) -> None:
        """Open, and create what is missing; two processes may do so at once.

        Raises WrongVersion for a table of another version, UnsafeStore when files would not be synced,
        Unavailable when the catalog does not answer.
        """
        disable_retries()
        self._uri = catalog_uri
        self._properties = {"uri": catalog_uri, "warehouse": str(warehouse), "py-io-impl": FILE_IO}
        make_folders(warehouse, warehouse.parent)
        try:
            self._catalog = _patiently(self._connect)
            for spec in TABLES.values():
                _check_version(spec, self.ensure(spec))
        except SQLAlchemyError as error:
            raise Unavailable("the catalog does not answer", hint="check its disk") from error
        sync_folder(warehouse.parent)

    def load(self, name: str) -> Table:
        """The table as the catalog names it now. Raises Unavailable when the catalog does not answer."""
        for attempt in range(LOADS):
            try:
                table = self._catalog.load_table(name)
            except FileNotFoundError as error:
                # Commits since we read the pointer removed the metadata it named: read it again.
                if attempt == LOADS - 1:
                    raise Stopped(
                        "the table's metadata file is gone",
                        hint="was the home moved? tables name their files by full path: put it back",
                        table=name,
                    ) from error
            except ValueError:
                raise Stopped(
                    "the table's metadata file is damaged", hint="restore it from a backup", table=name
                ) from None
            except SQLAlchemyError as error:
                raise Unavailable("the catalog does not answer", hint="wait and retry", table=name) from error
            else:
                break
        if not isinstance(table.io, SyncedFileIO):
            raise UnsafeStore(
                "the table's files are not synced before they are named",
                hint="remove the property py-io-impl from the table",
                table=name,
            )
        # On the loaded copy only: a stored property of that name would bring the retries back.
        table.metadata.properties[TableProperties.COMMIT_NUM_RETRIES] = "0"
        return table

    def reconnect(self) -> None:
        """Forget every connection: one whose commit was refused may still read its own uncommitted row."""
        self._catalog.engine.dispose()
        self._catalog.engine = sqlite.engine(self._uri)

    def ensure(self, spec: TableSpec) -> Table:
        """The table of `spec`, created when missing."""
        try:
            return self.load(spec.name)
        except NoSuchTableError:
            _patiently(partial(self._catalog.create_namespace_if_not_exists, spec.name.partition(".")[0]))
            properties = TABLE_PROPERTIES | {SPEC_VERSION: str(spec.version)}
            with suppress(TableAlreadyExistsError):  # by another process, a moment ago
                self._catalog.create_table(
                    spec.name, _schema(spec), partition_spec=_partitions(spec), properties=properties
                )
            return self.load(spec.name)

    def drop(self, name: str) -> None:
        """Forget a table; its files stay."""
        self._catalog.drop_table(name)

    def close(self) -> None:
        """Release the connections."""
        self._catalog.close()

    def _connect(self) -> SqlCatalog:
        engine = sqlite.engine(self._uri)
        engine.connect().close()  # makes the file as it must be, before the library makes its tables
        catalog = SqlCatalog(CATALOG_NAME, **self._properties)
        catalog.engine.dispose()
        catalog.engine = engine
        return catalog


def _patiently(make: Callable[[], T]) -> T:
    """Create what another process may be creating: every attempt finds one thing more of it there."""
    for _ in range(ATTEMPTS):
        with suppress(OperationalError, IntegrityError, NamespaceAlreadyExistsError):
            return make()
    return make()


def _check_version(spec: TableSpec, table: Table) -> None:
    found = table.properties.get(SPEC_VERSION, "none")
    if found != str(spec.version):
        raise WrongVersion(
            "the table was made by another version",
            hint="run the version that made it, or migrate the table",
            table=spec.name,
            found=found,
            known=spec.version,
        )


def _schema(spec: TableSpec) -> Schema:
    """Field ids by position, from 1; those of list elements follow."""
    fields, element_id = [], len(spec.columns)
    for position, column in enumerate(spec.columns, start=1):
        if element := _ELEMENTS.get(column.type):
            element_id += 1
            kind: IcebergType = ListType(element_id, element, element_required=True)
        else:
            kind = _TYPES[column.type]
        fields.append(NestedField(position, column.name, kind, required=column.required, doc=column.meaning))
    return Schema(*fields)


def _partitions(spec: TableSpec) -> PartitionSpec:
    position = {column.name: index for index, column in enumerate(spec.columns, start=1)}
    return PartitionSpec(
        *(
            PartitionField(position[name], 1000 + index, IdentityTransform(), name)
            for index, name in enumerate(spec.partition_by)
        )
    )
