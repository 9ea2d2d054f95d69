"""A real Superset over the real servers: what its users see is what Trino lets them see."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.errors import Unavailable
from cluster.stack import lifecycle, trino
from cluster.stack.stack import Stack
from cluster.stack.superset.api import Api, entered
from cluster.stack.superset.server import Superset
from tests.serve_apps.query.engine.engines import on_servers
from tests.serve_apps.query.lakes import small
from tests.stacks import settings_of

pytestmark = [pytest.mark.full, pytest.mark.first]

DASHBOARD = "complaints"
DELAY = "date_diff('second', event_time, received_at)"
QUESTIONS = {
    "Complaints by day": "SELECT local_date, l1, sum(complaints) FROM kpi_daily WHERE complaints > 0 "
    "GROUP BY 1, 2",
    "Complaints by region": "SELECT coalesce(region, '(not said)'), channel, sum(complaints) "
    "FROM kpi_daily GROUP BY 1, 2",
    "Largest clusters": "SELECT members, customers, l2, region, representative_text, first_event_time, "
    "last_event_time FROM clusters ORDER BY members DESC, representative LIMIT 20",
    "Quarantine by reason": "SELECT reason, channel, count(*) FROM quarantine GROUP BY 1, 2",
    "Ledger by channel": "SELECT channel, sum(received), sum(accepted), sum(duplicate), sum(quarantined), "
    "sum(redelivered), 0 FROM ledger GROUP BY 1",
    "Ingest delay by channel": f"SELECT channel, count(event_time), 1000 * avg({DELAY}), "
    f"1000 * approx_percentile({DELAY}, 0.95), 1000 * max({DELAY}) FROM events GROUP BY 1",
    "Days, and which still count": "SELECT local_date, is_provisional, sum(complaints), sum(clusters), "
    "sum(quarantined) FROM kpi_daily GROUP BY 1, 2 "
    "ORDER BY local_date > current_date + INTERVAL '1' DAY, 1 DESC LIMIT 31",
    "How current this is": "SELECT part, 'every event up to commit ' || CAST(as_of_seq AS varchar) "
    "FROM as_of JOIN (VALUES ('structured.events', 'Events, delays and quarantine'), "
    "('curated.complaints', 'Complaints and clusters'), ('curated.kpi_daily', 'Numbers of each day'), "
    "('ops.ledger', 'Ledger')) AS t(name, part) "
    "ON name = table_name",
}
"""What each chart shows, as an analyst would ask Trino for it."""
LOST = (
    "This session is in 'prepared' state",
    "'NoneType' object has no attribute 'twophase'",
    "set_session cannot be used inside a transaction",
)
"""What Superset says of a typed query that fails while two of its threads are in one transaction of its own:
it is asked again."""

Login = Callable[[str], Api]


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The servers with a lake and its views in them."""
    with on_servers(request, tmp_path_factory.mktemp("home")) as ground, ground.turn():
        small(ground.place).close()
        stack: Stack = request.getfixturevalue("stack")
        yield stack


@pytest.fixture(scope="module")
def superset(served: Stack) -> Iterator[Superset]:
    settings = settings_of(served.folder)
    given, started = lifecycle.up_superset(settings)
    assert started == ["superset"]
    yield given
    assert lifecycle.down(settings, ("superset",)) == ["superset"]


@pytest.fixture(scope="module")
def login(superset: Superset) -> Iterator[Login]:
    """Superset as one of its accounts, entered once."""
    known: dict[str, Api] = {}
    with ExitStack() as open_ones:

        def enter(account: str) -> Api:
            if account not in known:
                known[account] = open_ones.enter_context(entered(superset, account))
            return known[account]

        yield enter


def charts(api: Api) -> dict[str, int]:
    """The dashboard's charts, name to number."""
    return {
        each["slice_name"]: each["id"] for each in api.ask("GET", f"dashboard/{DASHBOARD}/charts")["result"]
    }


def shown(api: Api, chart: int) -> list[tuple[Any, ...]]:
    """A chart's rows."""
    (answer,) = api.ask("GET", f"chart/{chart}/data/")["result"]
    return [tuple(plain(value) for value in row.values()) for row in answer["data"]]


def asked(stack: Stack, user: str, sql: str) -> list[tuple[Any, ...]]:
    """What Trino answers its user over the served views."""
    with trino.connection(stack, user, catalog="lake", schema="served") as client:
        return [tuple(plain(value) for value in row) for row in client.cursor().execute(sql).fetchall()]


def plain(value: Any) -> Any:
    """As Superset writes it: times as milliseconds."""
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000
    return round(value, 6) if isinstance(value, float) else value


def lab(api: Api, sql: str) -> httpx.Response:
    """What SQL typed into Superset is answered."""
    (database,) = api.ask("GET", "database/")["result"]
    typed = {"database_id": database["id"], "catalog": "lake", "schema": "served", "runAsync": False}
    while True:
        answer = api.answer("POST", "sqllab/execute/", json=typed | {"sql": sql})
        if not any(said in answer.text for said in LOST):
            return answer


def test_the_dashboard_has_every_chart(login: Login) -> None:
    assert set(charts(login("analyst"))) == set(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_chart_shows_what_trino_answers(served: Stack, login: Login, name: str) -> None:
    analyst = login("analyst")
    found = shown(analyst, charts(analyst)[name])
    expected = asked(served, "analyst", QUESTIONS[name])
    assert expected
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_finance_sees_every_chart_of_its_own_dashboard(login: Login) -> None:
    finance = login("finance")
    found = {
        each["slice_name"]: each["id"] for each in finance.ask("GET", "dashboard/billing/charts")["result"]
    }
    assert len(found) == 6
    for name, chart in found.items():
        assert shown(finance, chart), name


def test_an_analyst_finds_no_key_of_a_person(served: Stack, login: Login) -> None:
    sql = "SELECT DISTINCT customer_key, account_key FROM complaints"
    assert lab(login("analyst"), sql).json()["data"] == [{"customer_key": None, "account_key": None}]
    assert asked(served, "compliance", f"SELECT count(*) FROM ({sql}) WHERE customer_key IS NOT NULL") == [
        (5,)
    ]


@pytest.mark.parametrize(
    ("account", "sql"),
    [
        ("analyst", "SELECT * FROM lake.structured.events"),
        ("analyst", 'SELECT * FROM lake.structured."events$files"'),
        ("operations", "SELECT customer_key FROM complaints"),
        ("finance", "SELECT * FROM ledger"),
        ("superset", "SELECT l1 FROM complaints"),
    ],
)
def test_what_trino_refuses_is_refused(login: Login, account: str, sql: str) -> None:
    answer = lab(login(account), sql)
    assert not answer.is_success, answer.text
    assert any(said in answer.text for said in ("Access Denied", "Relation not found or not allowed")), (
        answer.text
    )


def test_each_account_has_its_own_rows(login: Login) -> None:
    sql = "SELECT DISTINCT l1 FROM kpi_daily WHERE complaints > 0 ORDER BY l1"
    assert lab(login("finance"), sql).json()["data"] == [{"l1": "billing"}]
    assert lab(login("operations"), sql).json()["data"] == [{"l1": "billing"}, {"l1": "network"}]


def test_up_again_starts_nothing_and_doubles_nothing(served: Stack, superset: Superset, login: Login) -> None:
    before = charts(login("analyst"))
    assert lifecycle.up_superset(settings_of(served.folder)) == (superset, [])
    assert charts(login("analyst")) == before


def test_strangers_get_nothing(superset: Superset) -> None:
    assert httpx.get(f"{superset.address}/api/v1/chart/", trust_env=False).status_code == 401
    wrong = Superset(1, superset.folder, superset.port, "", "", {"analyst": "wrong"})
    with pytest.raises(Unavailable) as raised, entered(wrong, "analyst"):
        pass
    assert raised.value.fields["status"] == 401


def test_its_secrets_are_for_its_owner_only(served: Stack, superset: Superset) -> None:
    hidden = [superset.secret, superset.password, *superset.accounts.values(), served.users["superset"]]
    folder = Path(served.folder, "superset")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent / "superset.json")] == [
        0o700,
        0o600,
    ]
    said = (served.logs / "superset.log").read_text()
    assert [word for word in hidden if word in said or word in repr(superset)] == []
