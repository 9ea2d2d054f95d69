"""The SQL server's own door, without the guard: each way around a grant, for each role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from trino.auth import BasicAuthentication
from trino.dbapi import Connection, connect
from trino.exceptions import TrinoQueryError

from cluster.stack.stack import Stack
from serve_apps.query.access import ACTS_FOR, OWNER, rules
from serve_apps.query.engine.port import ROLES
from serve_apps.query.roles import grants
from serve_apps.query.views import views
from tests.serve_apps.query.conftest import Small

pytestmark = pytest.mark.parametrize("small_lake", ["trino"], indirect=True)
Ask = Callable[..., list[list[Any]]]
TABLES = ("structured.events", "curated.complaints", "curated.kpi_daily", "ops.ledger")
META = ("files", "snapshots", "properties", "history", "partitions", "manifests", "refs")
SNAPSHOT = '(SELECT max(snapshot_id) FROM lake.structured."events$snapshots")'

# Reading what no role may read; the owner can, so that each of these would show something.
READING = [
    *(f"SELECT * FROM lake.{table}" for table in TABLES),
    *(f'SELECT * FROM lake.structured."events${name}"' for name in META),
    *(f'SELECT * FROM lake.curated."complaints${name}"' for name in META[:3]),
    'SELECT "$path", "$partition" FROM lake.structured.events',
    'SELECT "$file_modified_time" FROM lake.structured.events',
    "SELECT * FROM lake.structured.events FOR VERSION AS OF SNAPSHOT",
    "SELECT * FROM lake.structured.events FOR TIMESTAMP AS OF current_timestamp - INTERVAL '1' SECOND",
    "SHOW STATS FOR lake.structured.events",
    *(f"SELECT * FROM lake.defining.{name}" for name in views()),
    "SHOW TABLES FROM lake.defining",
    "SHOW COLUMNS FROM lake.structured.events",
    "DESCRIBE lake.structured.events",
    "SHOW CREATE TABLE lake.structured.events",
    *(f"SHOW CREATE VIEW lake.served.{name}" for name in views()),
    "EXPLAIN SELECT * FROM lake.structured.events",
    "EXPLAIN (TYPE IO) SELECT * FROM lake.structured.events",
    "EXPLAIN ANALYZE SELECT * FROM lake.structured.events",
    "SHOW TABLES FROM lake.structured",
    "SELECT * FROM system.runtime.queries",
    "SELECT * FROM system.runtime.nodes",
    "SELECT * FROM system.runtime.tasks",
    "SELECT * FROM system.metadata.table_properties",
    "SELECT * FROM system.metadata.catalogs",
]
# Nobody's, not even the owner's through a role.
CLOSED = [
    "SELECT * FROM TABLE(lake.system.table_changes('structured', 'events', SNAPSHOT, SNAPSHOT))",
    'SELECT "$path" FROM lake.served.events',
    "SELECT * FROM memory.default.t",
    "SELECT * FROM jmx.current.x",
    "SHOW SCHEMAS FROM memory",
]
# Never run by the owner here: it could.
CHANGING = [
    "CREATE TABLE lake.served.mine AS SELECT 1 AS x",
    "CREATE TABLE memory.default.mine AS SELECT 1 AS x",
    "CREATE VIEW lake.served.mine AS SELECT * FROM lake.served.events",
    "CREATE OR REPLACE VIEW lake.served.events AS SELECT 1 AS x",
    "CREATE SCHEMA lake.mine",
    "DROP SCHEMA lake.served CASCADE",
    "DROP VIEW lake.served.events",
    "ALTER VIEW lake.served.events RENAME TO lake.served.mine",
    "DROP TABLE lake.structured.events",
    "INSERT INTO lake.ops.ledger SELECT * FROM lake.ops.ledger",
    "INSERT INTO lake.ops.ledger (plan) VALUES (1)",
    "DELETE FROM lake.structured.events",
    "UPDATE lake.structured.events SET source = 'x'",
    "TRUNCATE TABLE lake.structured.events",
    "MERGE INTO lake.ops.ledger t USING (VALUES 1) AS s (x) ON t.plan = s.x WHEN MATCHED THEN DELETE",
    "ALTER TABLE lake.structured.events EXECUTE optimize",
    "ALTER TABLE lake.structured.events EXECUTE expire_snapshots(retention_threshold => '7d')",
    "ALTER TABLE lake.structured.events EXECUTE remove_orphan_files(retention_threshold => '7d')",
    "ALTER TABLE lake.structured.events EXECUTE rollback_to_snapshot(SNAPSHOT)",
    "ALTER TABLE lake.structured.events SET PROPERTIES format_version = 2",
    "ALTER TABLE lake.structured.events RENAME COLUMN city TO town",
    "COMMENT ON TABLE lake.structured.events IS 'x'",
    "COMMENT ON VIEW lake.served.events IS 'x'",
    "ANALYZE lake.structured.events",
    "GRANT SELECT ON lake.structured.events TO USER analyst",
    "CALL lake.system.rollback_to_snapshot('structured', 'events', SNAPSHOT)",
    "CALL lake.system.unregister_table('structured', 'events')",
    "CALL system.runtime.kill_query(query_id => 'KILLED', message => 'x')",
    "CREATE FUNCTION lake.served.f() RETURNS bigint RETURN 1",
    "CREATE CATALOG mine USING memory",
    "SET SESSION query_max_execution_time = '1d'",
    "SET SESSION query_max_memory = '1GB'",
    "SET SESSION hide_inaccessible_columns = false",
    "SET SESSION lake.expire_snapshots_min_retention = '0s'",
    f"SET SESSION AUTHORIZATION {OWNER}",
]


def opened(stack: Stack, user: str, principal: str = "") -> Connection:
    session = requests.Session()
    session.trust_env, session.verify = False, str(stack.certificate)
    made: Connection = connect(  # type: ignore[no-untyped-call]
        host=stack.trino_host,
        port=stack.ports.trino,
        user=user,
        http_scheme="https",
        auth=BasicAuthentication(principal or user, stack.users[principal or user]),
        http_session=session,
        legacy_prepared_statements=False,
        timezone="UTC",
    )
    return made


@pytest.fixture(scope="module")
def ask(stack: Stack, small_lake: Small) -> Iterator[Ask]:
    """Runs a statement as a user, the newest snapshot's id written in."""
    opening: dict[tuple[str, str], Connection] = {}

    def run(user: str, sql: str, principal: str = "") -> list[list[Any]]:
        connection = opening.setdefault((user, principal), opened(stack, user, principal))
        cursor = connection.cursor()  # type: ignore[no-untyped-call]
        return list(cursor.execute(sql).fetchall())

    yield run
    for each in opening.values():
        each.close()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def written(ask: Ask, small_lake: Small) -> Callable[[str], str]:
    with small_lake.turn():
        snapshot = ask(OWNER, SNAPSHOT[1:-1])[0][0]
    return lambda sql: sql.replace("SNAPSHOT", str(snapshot))


@pytest.mark.parametrize("sql", READING)
def test_the_owner_can_read_it(ask: Ask, written: Callable[[str], str], sql: str) -> None:
    assert ask(OWNER, written(sql)) is not None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("sql", [*READING, *CLOSED, *CHANGING])
def test_no_role_gets_around_its_views(ask: Ask, written: Callable[[str], str], sql: str, role: str) -> None:
    with pytest.raises(TrinoQueryError) as refused:
        ask(role, written(sql))
    assert refused.value.error_name in (
        *("PERMISSION_DENIED", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "COLUMN_NOT_FOUND"),
        *("TABLE_NOT_FOUND", "FUNCTION_NOT_FOUND", "PROCEDURE_NOT_FOUND", "NOT_SUPPORTED"),
        *(["QUERY_QUEUE_FULL"] if sql.startswith("EXPLAIN") else []),
    )


@pytest.mark.parametrize("role", ROLES)
def test_no_list_names_more_than_is_granted(ask: Ask, role: str) -> None:
    grant, served = grants()[role], "'served'"
    columns = {(name, each.name) for name in grant.views for each in grant.columns(views()[name])}
    names = {(name,) for name in grant.views}
    own = {("served",)}
    in_served = f"table_schema = {served}"
    columns_of = "SELECT table_name, column_name FROM lake.information_schema.columns"
    jdbc = f"WHERE table_cat = 'lake' AND table_schem = {served}"
    comments = "SELECT table_name FROM system.metadata.table_comments WHERE catalog_name = 'lake'"
    lists: dict[str, set[tuple[str, ...]]] = {
        "SHOW CATALOGS": {("lake",), ("system",)},
        "SHOW SCHEMAS FROM lake": own,
        "SHOW TABLES FROM lake.served": names,
        "SELECT DISTINCT table_schema FROM lake.information_schema.views": own,
        f"SELECT table_name FROM lake.information_schema.tables WHERE {in_served}": names,
        "SELECT table_name FROM lake.information_schema.tables WHERE table_schema = 'structured'": set(),
        "SELECT table_name FROM lake.information_schema.views": names,
        f"{columns_of} WHERE {in_served}": columns,
        f"{columns_of} WHERE table_schema = 'structured'": set(),
        "SELECT table_schem FROM system.jdbc.schemas WHERE table_catalog = 'lake'": own,
        f"SELECT table_name FROM system.jdbc.tables {jdbc}": names,
        f"SELECT table_name, column_name FROM system.jdbc.columns {jdbc}": columns,
        f"{comments} AND schema_name = {served}": names,
        f"{comments} AND schema_name = 'structured'": set(),
    }
    found = {sql: {tuple(row) for row in ask(role, sql)} for sql in lists}
    assert found == lists


@pytest.mark.parametrize("role", ROLES)
def test_a_view_shows_every_column_as_granted(ask: Ask, role: str) -> None:
    grant = grants()[role]
    for name, view in views().items():
        if name not in grant.views:
            with pytest.raises(TrinoQueryError, match="Access Denied"):
                ask(role, f"SELECT count(*) FROM lake.served.{name}")
            continue
        for column in grant.hidden & {column.name for column in view.columns}:
            with pytest.raises(TrinoQueryError, match="Access Denied"):
                ask(role, f"SELECT count({column}) FROM lake.served.{name}")
        shown = [column.name for column in grant.columns(view)]
        sql = f"SELECT {', '.join(f'count({column})' for column in shown)} FROM lake.served.{name}"
        whole = ask(OWNER, f"{sql} WHERE {grant.rows.get(name, 'true')}")[0]
        counts = [0 if column in grant.masked else n for column, n in zip(shown, whole, strict=True)]
        assert ask(role, sql) == [counts], name


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM lake.served.events FOR VERSION AS OF SNAPSHOT",
        "EXPLAIN ANALYZE VERBOSE SELECT * FROM lake.served.events",
        "SELECT max_by(event_id, event_time), count(*) FROM lake.served.events",
    ],
)
def test_what_is_said_beside_rows_names_nobody(
    ask: Ask, written: Callable[[str], str], sql: str, role: str
) -> None:
    try:
        said = str(ask(role, written(sql)))
    except TrinoQueryError as refused:
        said = str(refused)
    closed = grants()[role].masked | grants()[role].hidden
    assert not any(f"{name.removesuffix('_key')}-{n}" in said for name in closed for n in range(5))


PLANS = ("", "(TYPE IO)", "(TYPE LOGICAL)", "(TYPE DISTRIBUTED)", "(FORMAT JSON)", "(TYPE VALIDATE)")
"""Each way to have a query explained that is not run."""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(set(views()) - {"as_of"}))
def test_no_statistics_tell_of_rows_that_are_not_granted(ask: Ask, name: str, role: str) -> None:
    if name not in grants()[role].views:
        return
    for each in (f"lake.served.{name}", f"(SELECT * FROM lake.served.{name})"):
        *columns, whole = ask(role, f"SHOW STATS FOR {each}")
        # Of a column that the view itself makes constant it is told that it has one value, or none.
        assert all(
            (size or 0, row_count, low, high) == (0, None, None, None) and (distinct or 0) <= 1
            for _, size, distinct, _, row_count, low, high in columns
        )
        assert whole[1:] == [None] * 6


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("plan", PLANS)
def test_no_role_has_its_queries_explained(ask: Ask, plan: str, role: str) -> None:
    sql = f"EXPLAIN {plan} SELECT count(*) FROM lake.served.events"
    assert ask(OWNER, sql)
    with pytest.raises(TrinoQueryError) as refused:
        ask(role, sql)
    assert refused.value.error_name == "QUERY_QUEUE_FULL"


@pytest.mark.parametrize("role", ROLES)
def test_the_information_schema_has_no_definition(ask: Ask, role: str) -> None:
    definitions = dict(ask(role, "SELECT table_name, view_definition FROM lake.information_schema.views"))
    assert definitions.keys() == set(grants()[role].views)
    for name, sql in definitions.items():
        columns = [column.name for column in views()[name].columns]
        assert "".join(sql.split()) == f"SELECT{','.join(columns)}FROMdefining.{name}"


@pytest.mark.parametrize("principal", [*ROLES, *ACTS_FOR])
@pytest.mark.parametrize("user", [*ROLES, OWNER])
def test_nobody_is_somebody_else_unless_told(ask: Ask, principal: str, user: str) -> None:
    if user == principal or user in ACTS_FOR.get(principal, ()):
        assert ask(user, "SELECT current_user", principal) == [[user]]
    else:
        with pytest.raises(TrinoQueryError, match="Access Denied"):
            ask(user, "SELECT current_user", principal)


@pytest.mark.parametrize("user", ACTS_FOR)
def test_a_technical_user_sees_nothing_itself(ask: Ask, user: str) -> None:
    with pytest.raises(TrinoQueryError, match="Access Denied"):
        ask(user, "SELECT count(*) FROM lake.served.events")


def test_every_section_ends_with_a_rule_for_everybody(small_lake: Small) -> None:
    for section, given in rules().items():
        assert not {"user", "catalog", "table", "schema"} & given[-1].keys(), section
