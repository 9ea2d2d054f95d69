from typing import Any

import pytest

from serve_apps.query.engine.port import Limits, QueryEngine
from serve_apps.query.views import views

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
