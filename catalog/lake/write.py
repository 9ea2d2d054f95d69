"""Rows become data files, one for each partition: durable and staged, named by no snapshot yet.

The library would work out for every single file what depends on the table alone, and look through all rows
once for each partition: with a few rows in a file that is most of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from pyiceberg.io.pyarrow import (
    _get_parquet_writer_kwargs,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _MergeAppendFiles, _OverwriteFiles
from pyiceberg.typedef import Record
from pyiceberg.utils.concurrent import ExecutorFactory

from catalog.errors import NotDurable


@contextmanager
def writing(table: str) -> Iterator[None]:
    """Around everything before a swap: what a disk or store refuses becomes NotDurable."""
    try:
        yield
    except OSError as error:
        raise NotDurable(
            "files of a table could not be written", hint="check the disk or object store", table=table
        ) from error


class OneTransaction(Transaction):
    """A transaction that works its metadata out once for each update; the library copies it at every look."""

    _seen: tuple[int, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with the updates so far."""
        count = len(self._updates)
        if self._seen is None or self._seen[0] != count:
            self._seen = count, super().table_metadata
        return self._seen[1]


class Overwrite(_OverwriteFiles, _MergeAppendFiles):
    """Replaces files by others, and keeps the manifests few as an append does: the library's own overwrite
    adds one each time, and never lets go of those that name only files that are gone."""

    def __init__(self, transaction: Transaction, marks: dict[str, str]) -> None:
        is_first = transaction.table_metadata.current_snapshot() is None
        operation = Operation.APPEND if is_first else Operation.OVERWRITE
        super().__init__(operation, transaction, transaction._table.io, snapshot_properties=marks)

    def _existing_manifests(self) -> list[ManifestFile]:
        found = super()._existing_manifests()
        return [each for each in found if each.has_added_files() or each.has_existing_files()]


def stage(base: Table, producer: Any, rows: pa.Table, numbers: Iterator[int]) -> list[DataFile]:
    """Write rows of the table's exact schema, and add their files to the snapshot that `producer` makes.

    The order of rows is kept within a partition. `numbers` tell the files of one snapshot apart.
    """
    file = _Files(base)
    named = [(f"00000-{next(numbers)}-{producer.commit_uuid}", *part) for part in _partitions(base, rows)]
    # At once, since each waits for its own sync.
    written = list(ExecutorFactory.get_or_create().map(lambda each: file.write(*each), named))
    for each in written:
        producer.append_data_file(each)
    return written


def _partitions(base: Table, rows: pa.Table) -> Iterator[tuple[PartitionKey | None, pa.Table]]:
    spec = base.spec()
    names = [field.name for field in spec.fields]
    if not rows.num_rows:
        return
    if not names:
        yield None, rows
        return
    rows = rows.sort_by([(name, "ascending") for name in names])
    groups = rows.select(names).group_by(names, use_threads=False).aggregate([([], "count_all")])
    begin = 0
    for *values, count in zip(*(column.to_pylist() for column in groups.columns), strict=True):
        found = [PartitionFieldValue(field, value) for field, value in zip(spec.fields, values, strict=True)]
        yield PartitionKey(found, spec, base.schema()), rows.slice(begin, count)
        begin += count


class _Files:
    """Writes files of one table; what does not depend on the rows is worked out once."""

    def __init__(self, base: Table) -> None:
        schema = base.schema()
        self._base = base
        self._schema = schema_to_pyarrow(schema)
        self._options = _get_parquet_writer_kwargs(base.properties)
        self._statistics = compute_statistics_plan(schema, base.properties)
        self._ids = parquet_path_to_id_mapping(schema)

    def write(self, name: str, key: PartitionKey | None, rows: pa.Table) -> DataFile:
        """One durable file."""
        base = self._base
        path = base.location_provider().new_data_location(f"{name}.parquet", key)
        output = base.io.new_output(path)
        with output.create(overwrite=True) as stream:
            with parquet.ParquetWriter(stream, self._schema, **self._options) as writer:
                writer.write_table(rows.cast(self._schema))
            found = data_file_statistics_from_parquet_metadata(
                writer.writer.metadata, self._statistics, self._ids
            )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=key.partition if key else Record(),
            file_size_in_bytes=len(output),
            sort_order_id=None,
            spec_id=base.spec().spec_id,
            equality_ids=None,
            key_metadata=None,
            **found.to_serialized_dict(),
        )
