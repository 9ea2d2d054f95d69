"""What Superset is given fits together before any Superset sees it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml
from sqlglot import exp

from cluster.stack.stack import Stack
from cluster.stack.superset.assets import ROOT, bundle, identity
from serve_apps.query.roles import grants
from serve_apps.query.views import views

DATASETS = {str(identity("dataset", name)): name for name in views()}
Document = dict[str, Any]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Addresses and passwords, and no server."""
    return Stack.create(tmp_path)


def files(stack: Stack, kind: str) -> list[Document]:
    """What is in the ZIP, by the kind of asset."""
    with zipfile.ZipFile(io.BytesIO(bundle(stack))) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{ROOT}/{kind}/")]
        return [yaml.safe_load(archive.read(name)) for name in names]


def names(query: Document) -> set[str]:
    """The columns that a chart's query reads."""
    sql = [each if isinstance(each, str) else each["sqlExpression"] for each in query["columns"]]
    sql += [metric["sqlExpression"] for metric in query["metrics"] or ()]
    parsed = (sqlglot.parse_one(each, read="trino") for each in sql)
    return {column.name for each in parsed for column in each.find_all(exp.Column)}


def test_the_connection_is_verified_and_asks_as_each_user(stack: Stack) -> None:
    (database,) = files(stack, "databases")
    assert (
        database["sqlalchemy_uri"] == f"trino://superset:XXXXXXXXXX@localhost:{stack.ports.trino}/lake/served"
    )
    verified = {"http_scheme": "https", "verify": str(stack.certificate)}
    assert database["extra"]["engine_params"]["connect_args"] == verified
    assert database["impersonate_user"] is True
    assert not any(database[name] for name in ("allow_dml", "allow_ctas", "allow_cvas", "allow_file_upload"))


def test_no_password_is_in_it(stack: Stack) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle(stack))) as archive:
        said = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert [word for word in (*stack.users.values(), *stack.passwords.values()) if word in said] == []


def test_every_view_is_a_dataset(stack: Stack) -> None:
    found = {each["table_name"]: each for each in files(stack, "datasets")}
    assert {name: [column["column_name"] for column in each["columns"]] for name, each in found.items()} == {
        name: [column.name for column in view.columns] for name, view in views().items()
    }
    assert {each["uuid"]: name for name, each in found.items()} == DATASETS


def test_a_chart_asks_for_columns_that_an_analyst_has(stack: Stack) -> None:
    for chart in files(stack, "charts"):
        view = views()[DATASETS[chart["dataset_uuid"]]]
        (query,) = json.loads(chart["query_context"])["queries"]
        there = {column.name for column in grants()["analyst"].columns(view)}
        assert names(query) <= there - grants()["analyst"].masked, chart["slice_name"]
        assert (query["metrics"] or []) == chart["params"].get("metrics", []), chart["slice_name"]
        assert chart["viz_type"] == chart["params"]["viz_type"], chart["slice_name"]


def test_the_newest_days_are_not_those_of_a_wrong_clock(stack: Stack) -> None:
    (chart,) = (
        each for each in files(stack, "charts") if "is_provisional" in each["params"].get("groupby", ())
    )
    newest = chart["params"]["timeseries_limit_metric"]
    (query,) = json.loads(chart["query_context"])["queries"]
    assert (query["orderby"], chart["params"]["order_desc"]) == ([[newest, False]], True)
    day = "CAST(date_add('day', n, current_date) AS date)"
    days = f"SELECT n, {day} AS local_date FROM (VALUES 900, -1, 3, 0, 2) AS t(n)"
    sql = f"SELECT n FROM ({days}) GROUP BY n ORDER BY {newest['sqlExpression']} DESC"
    (written,) = sqlglot.transpile(sql, read="trino", write="duckdb")
    assert duckdb.sql(written).fetchall() == [(0,), (-1,), (2,), (3,), (900,)]


def dashboards(stack: Stack) -> dict[str, Document]:
    """By the last part of their address."""
    return {each["slug"]: each for each in files(stack, "dashboards")}


def shown(dashboard: Document) -> list[Document]:
    """The charts of a dashboard: number, name and identity."""
    return [
        each["meta"] for each in dashboard["position"].values() if each != "v2" and each["type"] == "CHART"
    ]


def test_the_dashboard_shows_every_chart(stack: Stack) -> None:
    charts = {each["uuid"]: each["slice_name"] for each in files(stack, "charts")}
    on_it = shown(dashboards(stack)["complaints"])
    assert {each["uuid"]: each["sliceName"] for each in on_it} == charts
    assert len(on_it) == len(charts) == 8


def test_finance_has_a_dashboard_of_what_it_may_see(stack: Stack) -> None:
    charts = {each["uuid"]: each for each in files(stack, "charts")}
    mine = set()
    for uuid, chart in charts.items():
        view = views()[DATASETS[chart["dataset_uuid"]]]
        (query,) = json.loads(chart["query_context"])["queries"]
        grant = grants()["finance"]
        if view.name in grant.views and names(query) <= {each.name for each in grant.columns(view)}:
            mine.add(uuid)
    on_it = shown(dashboards(stack)["billing"])
    assert {each["uuid"] for each in on_it} == mine
    assert len(on_it) == 6


def test_a_dashboard_is_laid_out_whole(stack: Stack) -> None:
    for dashboard in dashboards(stack).values():
        boxes = {name: each for name, each in dashboard["position"].items() if isinstance(each, dict)}
        inside = [child for each in boxes.values() for child in each.get("children", ())]
        assert sorted(inside) == sorted(set(boxes) - {"ROOT_ID", "HEADER_ID"})
        for name, box in boxes.items():
            for child in box.get("children", ()):
                assert boxes[child]["parents"] == [*box.get("parents", ()), name]


def test_each_filter_reaches_the_charts_that_have_its_column(stack: Stack) -> None:
    charts = {each["uuid"]: each for each in files(stack, "charts")}
    for dashboard in dashboards(stack).values():
        filters = {each["name"]: each for each in dashboard["metadata"]["native_filter_configuration"]}
        assert set(filters) == {"Days", "Region", "Channel", "Category"}
        for each in filters.values():
            (target,) = each["targets"]
            reached = [one for one in shown(dashboard) if one["chartId"] not in each["scope"]["excluded"]]
            assert reached
            for one in shown(dashboard):
                chart = charts[one["uuid"]]
                view = views()[DATASETS[chart["dataset_uuid"]]]
                if target:
                    assert DATASETS[target["datasetUuid"]] == "kpi_daily"
                    has_it = target["column"]["name"] in {column.name for column in view.columns}
                else:
                    has_it = any(
                        given.get("operator") == "TEMPORAL_RANGE"
                        for given in chart["params"]["adhoc_filters"]
                    )
                assert has_it == (one in reached), (each["name"], one["sliceName"])


def test_delays_are_shown_as_spans_of_time(stack: Stack) -> None:
    (chart,) = (each for each in files(stack, "charts") if "delay" in each["slice_name"])
    spans = {
        name
        for name, given in chart["params"]["column_config"].items()
        if given["d3NumberFormat"] == "DURATION"
    }
    told = {
        each["label"] for each in chart["params"]["metrics"] if each["sqlExpression"].startswith("1000 * ")
    }
    assert spans == told == {"Mean delay", "95 of 100 within", "Longest delay"}
