from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from catalog.clock import SystemClock
from catalog.errors import BadInput
from serve_apps.query.drift import Drift, check
from serve_apps.query.engine.port import Answer, Gone, Limits, QueryEngine, Role, Value, never
from serve_apps.query.served import apply
from serve_apps.query.views import version, versions, views
from tests.contracts import contracts, registered
from tests.serve_apps.query.conftest import Small
from tests.serve_apps.query.engine.engines import address

if TYPE_CHECKING:
    from cluster.stack.stack import Stack

ROWS = {
    "SELECT cluster_id, members, customers, l2, region, representative FROM clusters": [
        {
            "cluster_id": f"{1:032x}",
            "members": 3,
            "customers": 3,
            "l2": "outage",
            "region": "Lagos",
            "representative": f"{1:032x}",
        }
    ],
    # Ten events: one is a duplicate, one no complaint, one about money; of the rest two are one grievance.
    "SELECT channel, region, l2, complaints, clusters, quarantined, is_provisional FROM kpi_daily "
    "ORDER BY complaints DESC": [
        {"channel": "sms", "region": "Lagos", "l2": "outage", "complaints": 7, "clusters": 6}
        | {"quarantined": 0, "is_provisional": True},
        {"channel": "social", "region": "Kano", "l2": "refund", "complaints": 1, "clusters": 1}
        | {"quarantined": 0, "is_provisional": True},
        {"channel": "sms", "region": None, "l2": None, "complaints": 0, "clusters": 0}
        | {"quarantined": 1, "is_provisional": True},
    ],
    "SELECT reason, reason_field, event_time FROM quarantine": [
        {"reason": "event_time_naive", "reason_field": "$.event_time", "event_time": None}
    ],
    "SELECT received - accepted - duplicate - quarantined - redelivered AS missing FROM ledger": [
        {"missing": 0}
    ],
}


@pytest.mark.parametrize("sql", ROWS)
def test_counts_what_it_says(engine: QueryEngine, sql: str) -> None:
    answer: list[dict[str, Any]] = engine.query(sql, (), "analyst", Limits()).table.to_pylist()
    assert answer == ROWS[sql]


@pytest.mark.parametrize("view", views().values(), ids=views())
def test_every_view_and_column_is_explained(view: Any) -> None:
    assert view.meaning
    assert all(column.meaning and column.name for column in view.columns)
    assert not {"payload_digest", "signature", "band_hashes"} & {column.name for column in view.columns}


def test_what_was_registered_is_as_it_was_and_nothing_is_missing() -> None:
    """A changed view needs a new version; `python -m tests.contracts` registers it."""
    assert contracts() == registered()


def test_versions_go_up_one_by_one_and_the_newest_is_in_force() -> None:
    for name, made in versions().items():
        assert list(made) == list(range(1, len(made) + 1))
        assert views()[name] == made[len(made)]
    with pytest.raises(BadInput, match="no such version"):
        version("events", 99)


def test_every_view_keeps_its_contract(engine: QueryEngine) -> None:
    assert check(engine) == []


class Shorter:
    """An engine that gives less, other and nulls: what its views would be after a careless change."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        answer = self._engine.query(sql, params, role, limits)
        table = answer.table
        if "ledger" in sql and "AS" not in sql:
            table = table.drop_columns(["received"])
        elif "FROM events" in sql and "AS" in sql:
            table = table.set_column(table.column_names.index("plan"), "plan", [[3]])
        elif "FROM quarantine" in sql and "AS" not in sql:
            table = table.set_column(11, "plan", table.column("plan").cast("string"))
        return answer._replace(table=table)

    def close(self) -> None: ...


def test_each_kind_of_drift_is_found(engine: QueryEngine) -> None:
    assert check(Shorter(engine)) == [
        Drift("events", "plan", "never null", "3 nulls"),
        Drift("ledger", "received", "bigint", "no such column"),
        Drift("quarantine", "plan", "bigint", "varchar"),
    ]


@pytest.mark.parametrize("small_lake", ["trino"], indirect=True)
def test_an_older_version_can_be_served_again(stack: Stack, small_lake: Small) -> None:
    clock, there = SystemClock(), address(stack)

    def serve(number: int) -> None:
        apply(there, clock, f"{stack.views}/unused", [version("ledger", number)])

    serve(1)
    found = check(small_lake.engine)
    serve(2)
    assert found == [Drift("ledger", "as_of_seq", "bigint", "no such column")]
    assert check(small_lake.engine) == []
