"""Quotas by source, room for bodies, and ids seen of late."""

import pytest

from serve_apps.ingest.admission import Quotas, Recent, Room
from serve_apps.problems import Refused


class Watch:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.s = 500.0

    def __call__(self) -> float:
        return self.s


def test_a_source_rests_after_it_spent_more_than_it_had() -> None:
    watch = Watch()
    quotas = Quotas(rate=10.0, burst=20.0, elapsed_s=watch)
    quotas.require("a")
    quotas.spend("a", 49)
    with pytest.raises(Refused) as error:
        quotas.require("a")
    assert (error.value.refusal.code, error.value.retry_s) == ("source_too_fast", 3)
    quotas.require("b")
    watch.s += 3.0
    quotas.require("a")
    quotas.spend("a", 1)
    with pytest.raises(Refused):
        quotas.require("a")
    watch.s += 1e9
    quotas.spend("a", 20)
    with pytest.raises(Refused):
        quotas.require("a")


def test_room_is_given_back_also_after_a_failure() -> None:
    room = Room(10)
    with room.lease() as first:
        first(6)
        with room.lease() as second:
            second(4)
            with pytest.raises(Refused) as error:
                second(1)
        assert error.value.refusal.code == "door_full"
        first(4)
    with room.lease() as third:
        third(10)


def test_the_oldest_ids_are_forgotten() -> None:
    recent = Recent(2)
    for event_id in ("a", "b", "a", "c"):
        recent.remember(event_id, b"1", 7)
    assert [recent.contradicted_us(event_id, b"2") for event_id in "abc"] == [7, None, 7]
    assert recent.contradicted_us("a", b"1") is None


def test_the_first_bytes_of_an_id_are_remembered() -> None:
    recent = Recent(2)
    recent.remember("a", b"1", 7)
    recent.remember("a", b"2", 8)
    assert [recent.contradicted_us("a", digest) for digest in (b"1", b"2")] == [None, 7]
