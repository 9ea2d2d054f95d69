"""What every place for objects promises; runs on each of BACKENDS."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.errors import BadInput
from catalog.objects.port import Objects
from tests.catalog.objects.backends import BACKENDS

CREATORS = 50


@pytest.fixture(params=sorted(BACKENDS))
def objects(request: pytest.FixtureRequest) -> Objects:
    return BACKENDS[request.param](request)


def keys(objects: Objects, folder: str = "", after: str = "") -> list[str]:
    return [each.key for each in objects.list(folder, after)]


def test_nothing_is_there_at_first(objects: Objects) -> None:
    assert keys(objects) == []
    assert objects.folders("") == ()
    with pytest.raises(LookupError):
        objects.get("a/b")
    objects.delete(["a/b", "c"])
    objects.sweep()


@pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", bytes(range(256)) * 40_000])
def test_what_is_put_is_got_and_replaced(objects: Objects, content: bytes) -> None:
    objects.put("event_date=2026-11-20/channel=ünï/seg-1.ndjson.zst", b"before")
    objects.put("event_date=2026-11-20/channel=ünï/seg-1.ndjson.zst", content)
    assert objects.get("event_date=2026-11-20/channel=ünï/seg-1.ndjson.zst") == content
    (listed,) = objects.list("")
    assert (listed.key, listed.size_bytes) == (
        "event_date=2026-11-20/channel=ünï/seg-1.ndjson.zst",
        len(content),
    )
    assert listed.modified_us > 1_700_000_000_000_000


def test_a_key_is_created_once(objects: Objects) -> None:
    assert objects.create("k/one", b"first")
    assert not objects.create("k/one", b"second")
    assert not objects.create("k/one", b"first")
    assert objects.get("k/one") == b"first"
    objects.delete(["k/one"])
    assert objects.create("k/one", b"third")


def test_of_many_creators_at_once_one_wins(objects: Objects) -> None:
    with ThreadPoolExecutor(CREATORS) as pool:
        for n in range(3):
            won = list(pool.map(lambda i, n=n: objects.create(f"k/{n}", b"%d" % i), range(CREATORS)))  # type: ignore[misc]
            assert won.count(True) == 1
            assert objects.get(f"k/{n}") == b"%d" % won.index(True)
    assert keys(objects, "k") == [f"k/{n}" for n in range(3)]


def test_a_listing_is_in_order_and_goes_on_behind_a_key(objects: Objects) -> None:
    many = sorted(f"log/a/{n:020d}" for n in range(1100))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: objects.create(key, key.encode()), many))
    objects.put("log/a-b", b"1")
    objects.put("log/ab/1", b"1")
    objects.put("other", b"1")
    assert keys(objects, "log/a") == many
    assert keys(objects, "log/a", many[1049]) == many[1050:]
    assert keys(objects, "log/a", many[-1]) == []
    assert sorted(keys(objects, "log")) == sorted([*many, "log/a-b", "log/ab/1"])
    assert objects.folders("log") == ("a", "ab")
    assert objects.folders("") == ("log",)
    objects.delete([*many, "log/gone"])
    assert set(keys(objects)) == {"log/a-b", "log/ab/1", "other"}


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/.hidden", "."])
def test_odd_keys_are_refused(objects: Objects, key: str) -> None:
    for act in (objects.get, lambda key: objects.delete([key]), lambda key: objects.create(key, b"")):
        with pytest.raises(BadInput):
            act(key)


def test_it_survives_pickling(objects: Objects) -> None:
    objects.put("a", b"1")
    again: Objects = pickle.loads(pickle.dumps(objects))
    assert again.get("a") == b"1"
