"""The process that runs queries by DuckDB: it may read one folder, write nothing, and grow only so far.

It holds no connection, no lock and no environment of the product, and prints nothing. The door ends it
when a query takes too long, so nothing here needs to be undone.
"""

from __future__ import annotations

import sys
from functools import partial

import duckdb
import pyarrow as pa

from catalog.errors import BadInput, BeejanError, TooLarge
from serve_apps.query.engine.arrow import no_such_values, require_own_names, too_large_number, within
from serve_apps.query.engine.dialect import DIALECT
from serve_apps.query.engine.wire import Ask, Setup, Told, failed, work
from serve_apps.query.guard import Guarded, guard
from serve_apps.query.roles import grants

BATCH_ROWS = 2_048


def prepare(setup: Setup) -> duckdb.DuckDBPyConnection:
    """A database whose settings nobody can change any more."""
    connection = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": f"{setup.memory_bytes}B",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "integer_division": True,  # 5 / 2 is 2, as in Trino
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    for statement in setup.statements:
        connection.execute(statement)
    connection.execute("SET allowed_directories = [?]", [setup.readable])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def answer(connection: duckdb.DuckDBPyConnection, ask: Ask) -> Told:
    """The rows asked for, or why there are none."""
    for statement in ask.statements:
        connection.execute(statement)
    try:
        allowed = guard(ask.sql, ask.params, grants()[ask.role].views, ask.role, ask.rows, DIALECT)
        return _run(connection, allowed, ask)
    except BeejanError as error:
        return failed(error)
    except (MemoryError, pa.ArrowMemoryError, duckdb.OutOfMemoryException) as error:
        told, kind = "the query needs more memory than it may", type(error).__name__
        return failed(TooLarge(told, hint="read fewer rows at once", kind=kind))
    except duckdb.Error as error:
        return failed(_wrong(error))


def _run(connection: duckdb.DuckDBPyConnection, allowed: Guarded, ask: Ask) -> Told:
    reader = connection.sql(allowed.sql).to_arrow_reader(BATCH_ROWS)
    require_own_names(reader.schema.names)
    if any(pa.types.is_interval(each.type) for each in reader.schema):
        raise no_such_values("interval")
    table = _plain(within(ask.bytes, reader, reader.schema))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.slice(0, ask.rows))
    return Told(sorted(allowed.views), table.num_rows > ask.rows, sink.getvalue().to_pybytes())


def _plain(table: pa.Table) -> pa.Table:
    """Sums of whole numbers as the contract has them, bigint: here they come wider."""
    fields = [
        each.with_type(pa.int64()) if each.type == pa.decimal128(38, 0) else each for each in table.schema
    ]
    try:
        return table.cast(pa.schema(fields))
    except pa.ArrowInvalid:
        raise too_large_number() from None


def _wrong(error: duckdb.Error) -> BeejanError:
    """What the caller can be told: the engine's own words may quote values from rows."""
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        words = str(error).split("\n")[0].split("'")[0].strip()
        return BadInput("the query does not fit the views", hint=words)
    if isinstance(error, duckdb.IOException | duckdb.InternalException | duckdb.FatalException):
        raise error  # ends this process: the door starts another
    return BadInput(
        "the query failed on a value", hint="TRY_CAST gives null instead", kind=type(error).__name__
    )


if __name__ == "__main__":
    work(sys.stdin.buffer, sys.stdout.buffer, lambda setup: partial(answer, prepare(setup)))
