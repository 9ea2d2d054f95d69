"""Windows, same complaints and clusters: what an event is linked to, and what its cluster is then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.ids import event_id
from tests.actors.dedup.streams import Event, Warehouse, decided

TEXT = "the network is down in my whole street since monday please send somebody to fix it"
WORDS = TEXT.split()
SECOND = 1 / 86_400


def of(name: str) -> str:
    return event_id("shop", "provider", name)


def changed(count: int, first: int = 0) -> str:
    """TEXT with `count` of its 16 words, from the place `first` on, replaced."""
    return " ".join([*WORDS[:first], *(f"x{i}" for i in range(count)), *WORDS[first + count :]])


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path)
    yield made
    made.dedup.close()


def column(warehouse: Warehouse, name: str) -> list[object]:
    return [value for rows in warehouse.rows for value in rows[name].to_pylist()]


@pytest.mark.parametrize("is_one_plan", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("days", "kind"),
    [
        (0, "same_complaint"),
        (7, "same_complaint"),
        (7 + SECOND, "near_duplicate"),
        (30, "near_duplicate"),
        (30 + SECOND, None),
    ],
)
def test_windows_go_by_event_time_in_both_directions(
    warehouse: Warehouse, days: float, kind: str | None, sign: int, is_one_plan: bool
) -> None:
    first, second = (
        Event("a", TEXT, 1, customer="ada"),
        Event("b", TEXT, 2, customer="ada", day=sign * days),
    )
    for plan in [[first, second]] if is_one_plan else [[first], [second]]:
        warehouse.step(plan)
    assert column(warehouse, "link_kind") == [None, kind]
    assert column(warehouse, "linked_to") == [None, of("a") if kind else None]
    assert column(warehouse, "disposition")[1] == ("duplicate" if kind == "same_complaint" else "accepted")
    assert column(warehouse, "cluster_id") == [of("a"), of("a") if kind else of("b")]
    assert column(warehouse, "bridges") == [None, None]


@pytest.mark.parametrize(
    ("customers", "regions", "is_same"),
    [
        (("ada", "ada"), ("north", "north"), True),
        (("ada", "ada"), ("north", None), True),
        (("ada", "ada"), (None, "north"), True),
        (("ada", "ada"), (None, None), True),
        (("ada", "ada"), ("north", "south"), False),
        (("ada", "bola"), ("north", "north"), False),
        (("ada", None), ("north", "north"), False),
        ((None, "ada"), ("north", "north"), False),
        ((None, None), ("north", "north"), False),
    ],
)
def test_the_same_complaint_needs_text_customer_and_place(
    warehouse: Warehouse,
    customers: tuple[str | None, str | None],
    regions: tuple[str | None, str | None],
    is_same: bool,
) -> None:
    for name, customer, region, offset in zip("ab", customers, regions, (1, 2), strict=True):
        warehouse.step([Event(name, TEXT, offset, customer=customer, region=region)])
    assert column(warehouse, "disposition") == ["accepted", "duplicate" if is_same else "accepted"]
    assert column(warehouse, "link_kind") == [None, "same_complaint" if is_same else "near_duplicate"]


def test_customer_and_place_alone_are_no_link(warehouse: Warehouse) -> None:
    warehouse.step([Event(text, text, i, customer="ada") for i, text in enumerate([TEXT, changed(5)])])
    assert column(warehouse, "link_kind") == [None, None]


def test_a_same_complaint_goes_before_a_more_similar_text(warehouse: Warehouse) -> None:
    warehouse.step([Event("own", changed(3), 1, customer="ada"), Event("other", TEXT, 2, customer="bola")])
    warehouse.step([Event("asks", TEXT, 3, customer="ada")])
    assert column(warehouse, "linked_to") == [None, of("own"), of("own")]
    assert column(warehouse, "link_kind")[-1] == "same_complaint"
    assert column(warehouse, "similarity")[-1] == 13 / 16


@pytest.mark.parametrize("plans", [(1, 1, 1), (3,), (1, 2), (2, 1)])
def test_a_link_goes_to_the_event_and_its_cluster_follows(
    warehouse: Warehouse, plans: tuple[int, ...]
) -> None:
    # a - b - c: the last is like the second, which is a duplicate, and not like the first.
    events = [
        Event("a", TEXT, 1, customer="ada"),
        Event("b", changed(4), 2, customer="ada"),
        Event("c", changed(8), 3),
    ]
    for size in plans:
        warehouse.step([events.pop(0) for _ in range(size)])
    assert column(warehouse, "disposition") == ["accepted", "duplicate", "accepted"]
    assert column(warehouse, "linked_to") == [None, of("a"), of("b")]
    assert column(warehouse, "cluster_id") == [of("a")] * 3
    assert column(warehouse, "bridges") == [None] * 3


@pytest.mark.parametrize("plans", [(1, 1, 1, 1), (4,), (2, 2), (3, 1)])
def test_a_bridge_names_the_clusters_it_does_not_belong_to(
    warehouse: Warehouse, plans: tuple[int, ...]
) -> None:
    # Two that are not alike, one between them, and one more like the second.
    events = [
        Event("left", changed(4), 1),
        Event("right", changed(3, first=8), 2),
        Event("between", TEXT, 3),
        Event("again", changed(1, first=8), 4),
    ]
    for size in plans:
        warehouse.step([events.pop(0) for _ in range(size)])
    assert column(warehouse, "linked_to") == [None, None, of("right"), of("between")]
    assert column(warehouse, "cluster_id") == [of("left"), of("right"), of("right"), of("right")]
    assert column(warehouse, "bridges") == [None, None, [of("left")], None]


def test_an_event_between_two_windows_is_a_bridge(warehouse: Warehouse) -> None:
    for day in (0, 40, 20, 50):
        warehouse.step([Event(f"day{day}", TEXT, day, day=day)])
    assert column(warehouse, "linked_to") == [None, None, of("day0"), of("day40")]
    assert column(warehouse, "cluster_id") == [of("day0"), of("day40"), of("day0"), of("day40")]
    assert column(warehouse, "bridges") == [None, None, [of("day40")], [of("day0")]]


def test_what_is_not_accepted_has_no_cluster_and_what_has_no_text_has_its_own(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 1, "event_time_future"), Event("b", None, 2), Event("c", TEXT, 3)])
    warehouse.step([Event("c", changed(1), 4)])
    assert column(warehouse, "cluster_id") == [None, of("b"), of("c"), None]
    assert column(warehouse, "link_kind") == [None] * 4


def test_old_members_of_a_bucket_do_not_keep_new_ones_out(warehouse: Warehouse) -> None:
    """A template that was sent a thousand times, long ago and again."""
    for day in (0, 100):
        warehouse.step([Event(f"{day}-{i}", TEXT, 1000 * day + i, day=day) for i in range(500)])
    assert column(warehouse, "cluster_id") == [of("0-0")] * 500 + [of("100-0")] * 500
    warehouse.step([Event("back", TEXT, 999_999, day=1)])
    assert column(warehouse, "linked_to")[-1] is None


def test_a_cluster_is_the_same_however_its_pairs_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Event(f"e{i}", changed(i % 5, first=i % 9), i, customer=f"c{i % 3}") for i in range(60)]
    found = []
    for pairs in (1, 10, 1 << 16):
        monkeypatch.setattr("actors.dedup.links._PAIRS", pairs)
        made = Warehouse(tmp_path / str(pairs), bucket_limit=8)
        found.append(decided(made.decide(events).rows))
        made.dedup.close()
    assert found[0] == found[1] == found[2]
