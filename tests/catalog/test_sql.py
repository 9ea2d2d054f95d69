"""Databases that do not answer, answer late, or say more than may be passed on."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from catalog import sql
from catalog.errors import BadInput, Stopped, Unavailable
from cluster.stack.stack import Stack
from tests.places import on_servers


@pytest.fixture
def url(stack: Stack) -> str:
    return on_servers(stack).control_url


@pytest.fixture
def engine(url: str) -> Engine:
    engine = sql.engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
    return engine


def trouble(engine: Engine, statement: str) -> Exception:
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text(statement))
    return sql.failed(caught.value, "the database")


@pytest.mark.parametrize(
    "wrong", ["", "mysql://a:secret@b/c", "postgresql://a:secret@b/c", "sqlite:", "sqlite:x"]
)
def test_what_is_no_url_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(BadInput) as caught:
        sql.engine(wrong)
    assert "secret" not in str(caught.value)


def test_every_connection_has_bounds(engine: Engine) -> None:
    with engine.connect() as connection:
        shown = {
            name: connection.scalar(text(f"SHOW {name}")) for name in (*sql.SESSION_MS, "synchronous_commit")
        }
    assert shown == {
        "statement_timeout": "20s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
        "synchronous_commit": "on",
    }


def test_a_process_stopped_inside_a_transaction_does_not_block_its_successor_for_ever(
    url: str, engine: Engine
) -> None:
    stopped = sql.engine(url).connect()
    stopped.execute(text("UPDATE t SET n = 2"))
    # Not before: a slow machine may pause for longer between two statements.
    stopped.execute(text("SET idle_in_transaction_session_timeout = 100"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE t SET n = 3"))
    with pytest.raises(DBAPIError) as caught:
        stopped.execute(text("UPDATE t SET n = 4"))
    assert isinstance(sql.failed(caught.value, "the database"), Unavailable)
    stopped.invalidate()
    stopped.close()


def test_what_holds_a_lock_too_long_is_not_waited_for(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sql.SESSION_MS, "lock_timeout", 50)
    with sql.exclusive(engine), pytest.raises(DBAPIError) as caught, sql.exclusive(sql.engine(url)):
        pass
    assert isinstance(sql.failed(caught.value, "the database"), Unavailable)


def test_a_server_that_is_not_there_or_refuses_is_unavailable_and_keeps_the_password(url: str) -> None:
    for wrong in ({"port": 1}, {"password": "a secret"}, {"database": "none"}):
        at = make_url(url).set(**wrong).render_as_string(hide_password=False)
        error = trouble(sql.engine(at), "SELECT 1")
        assert isinstance(error, Unavailable)
        assert make_url(at).password not in str(error)


def test_a_connection_the_server_ended_is_unavailable(engine: Engine) -> None:
    assert isinstance(trouble(engine, "SELECT pg_terminate_backend(pg_backend_pid())"), Unavailable)


def test_a_server_that_is_not_the_first_one_yet_is_unavailable(engine: Engine) -> None:
    assert isinstance(trouble(engine, "SET TRANSACTION READ ONLY; INSERT INTO t VALUES (2)"), Unavailable)


@pytest.mark.parametrize(
    "statement", ["INSERT INTO t VALUES (1)", "SELECT 'private'::integer", "SELECT private FROM t"]
)
def test_errors_say_what_kind_and_no_value(engine: Engine, statement: str) -> None:
    error = trouble(engine, statement)
    assert isinstance(error, Stopped)
    assert "private" not in str(error)
    assert "(1)" not in str(error)
    assert error.fields["cause"]
