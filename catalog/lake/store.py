"""Opening the lake: its catalog, its tables and the settings that the commit protocol relies on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable, Table, TableProperties
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
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from catalog import sql
from catalog.durable import make_folders, sync_folder
from catalog.errors import Stopped, Unavailable, UnsafeStore, WrongVersion
from catalog.lake.fileio import SyncedFileIO, answering
from catalog.lake.place import LakePlace as LakePlace
from catalog.lake.place import local as local
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


@contextmanager
def catalog_answering() -> Iterator[None]:
    """Whatever the catalog's database fails with becomes Unavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise Unavailable("the catalog does not answer", hint="check its server or disk") from error


class Store:
    """An Iceberg catalog in a SQL database, its tables present and loaded afresh on every `load`."""

    def __init__(self, place: LakePlace) -> None:
        """Open, and create what is missing; two processes may do so at once.

        Raises WrongVersion for a table of another version, UnsafeStore when files would not be synced,
        Unavailable when the catalog does not answer.
        """
        disable_retries()
        self.warehouse = place.warehouse
        self._properties = {
            **place.files,
            "uri": place.catalog_url,
            "warehouse": place.warehouse,
            "py-io-impl": FILE_IO,
        }
        self.files = SyncedFileIO(self._properties)
        folder = Path(place.warehouse) if "://" not in place.warehouse else None
        if folder:
            make_folders(folder, folder.parent)
        with catalog_answering():
            self._catalog = _patiently(partial(_Catalog, CATALOG_NAME, **self._properties))
            for spec in TABLES.values():
                _check_version(spec, self.ensure(spec))
        if folder:
            sync_folder(folder.parent)

    def load(self, name: str) -> Table:
        """The table as the catalog names it now. Raises Unavailable when the catalog does not answer."""
        for attempt in range(LOADS):
            try:
                with answering(), catalog_answering():
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

    def locations(self, names: Sequence[str]) -> dict[str, str]:
        """Where the metadata of these tables is now, from one statement: nobody commits in between.

        Costs a fraction of a load, so it tells cheaply whether a table moved. Raises Unavailable.
        """
        full = IcebergTables.table_namespace + "." + IcebergTables.table_name
        wanted = select(full, IcebergTables.metadata_location).where(
            IcebergTables.catalog_name == CATALOG_NAME, full.in_(names)
        )
        with catalog_answering(), self._catalog.engine.connect() as connection:
            return {name: str(location) for name, location in connection.execute(wanted)}

    def load_at(self, location: str) -> Table:
        """A table as one metadata file says, for reading. Raises FileNotFoundError when that is gone."""
        with answering():
            return StaticTable.from_metadata(location, self._properties)

    def reconnect(self) -> None:
        """Forget every connection: one whose commit was refused may still read its own uncommitted row."""
        self._catalog.reconnect()

    def ensure(self, spec: TableSpec) -> Table:
        """The table of `spec`, created when missing."""
        try:
            return self.load(spec.name)
        except NoSuchTableError:
            _patiently(partial(self._catalog.create_namespace_if_not_exists, spec.name.partition(".")[0]))
            properties = TABLE_PROPERTIES | {SPEC_VERSION: str(spec.version)}
            with answering(), suppress(TableAlreadyExistsError):  # by another process, a moment ago
                self._catalog.create_table(
                    spec.name, _schema(spec), partition_spec=_partitions(spec), properties=properties
                )
            return self.load(spec.name)

    def named(self, prefix: str) -> list[str]:
        """The tables whose names begin so, their namespace whole."""
        found = map(".".join, self._catalog.list_tables(prefix.partition(".")[0]))
        return [name for name in found if name.startswith(prefix)]

    def drop(self, name: str) -> None:
        """Forget a table; its files stay."""
        self._catalog.drop_table(name)

    def close(self) -> None:
        """Release the connections."""
        self._catalog.close()


class _Catalog(SqlCatalog):
    """The library's catalog on connections of ours, from its very first one."""

    def reconnect(self) -> None:
        """Answer from new connections only."""
        self.engine.dispose()
        self.engine = sql.engine(self.properties["uri"])

    def _init_catalog(self) -> None:
        self.reconnect()
        super()._init_catalog()


def _patiently(make: Callable[[], T]) -> T:
    """Create what another process may be creating: every attempt finds one thing more of it there."""
    for _ in range(ATTEMPTS):
        with suppress(OperationalError, ProgrammingError, IntegrityError, NamespaceAlreadyExistsError):
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
