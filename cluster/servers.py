"""Which of a deployment's servers answer: all are asked at once, none is waited for long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from catalog.errors import BeejanError, Unavailable
from cluster.places import Places

LISTEN_S = 3.0
SQL = "trino"
HINT = (
    "it is started again by `beejan up`'s supervisor, or by `beejan stack up`; its own log says why it ended"
)


class ServerState(NamedTuple):
    """A server of the deployment: what for, where, and whether it is `up` or `away`."""

    name: str
    address: str
    state: str


def states(at: Places) -> list[ServerState]:
    """Each server once; none in a deployment of local files."""
    if at.is_local:
        return []
    asked = [("postgres", _host(url), partial(_connect, url)) for url in (at.control_url, at.catalog_url)]
    asked.append(("s3", _host(_store(at)), partial(_get, _store(at))))
    if at.trino is not None:
        asked.append((SQL, _host(at.trino.address), partial(at.trino.require_answer, LISTEN_S)))
    once = {(name, address): ask for name, address, ask in asked}
    with ThreadPoolExecutor(len(once)) as pool:
        found = pool.map(_answers, once.values())
        return [ServerState(*who, "up" if is_up else "away") for who, is_up in zip(once, found, strict=True)]


def away(found: Iterable[ServerState]) -> str:
    """Names and addresses of those that do not answer."""
    return ", ".join(f"{each.name} at {each.address}" for each in found if each.state == "away")


def require(found: Iterable[ServerState]) -> None:
    """Raises Unavailable where a server is away that more than SQL needs."""
    if missing := away(each for each in found if each.name != SQL):
        raise Unavailable(f"servers do not answer: {missing}", hint=HINT)


def _answers(ask: Callable[[], object]) -> bool:
    import httpx
    import psycopg

    try:
        ask()
    except (BeejanError, OSError, psycopg.Error, httpx.HTTPError):
        return False
    return True


def _connect(url: str) -> None:
    import psycopg

    psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=int(LISTEN_S)).close()


def _get(address: str) -> None:
    """Any answer is one: without a key most stores refuse."""
    import httpx

    httpx.get(address, timeout=LISTEN_S, trust_env=False)


def _store(at: Places) -> str:
    return at.objects.endpoint or f"https://s3.{at.objects.region}.amazonaws.com"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
