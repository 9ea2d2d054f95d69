"""Zone rules are the pinned ones, and no hour is guessed at."""

from datetime import UTC, datetime, timedelta

import pytest

from catalog.contracts.times import Moment, iso, mailed, moment, offset_name, posted, zone_rules


@pytest.mark.parametrize("zone", ["Africa/Lagos", "Europe/London", "America/St_Johns", "Australia/Lord_Howe"])
def test_every_hour_of_a_year_is_placed_once_or_not_at_all(zone: str) -> None:
    rules = zone_rules(zone)
    assert rules is not None
    placed = set()
    start, skipped = datetime(2025, 1, 1), 0
    for half_hour in range(365 * 48):
        local = start + timedelta(minutes=30 * half_hour)
        found = moment(local, zone, "")
        if not isinstance(found, Moment):
            skipped += 1
            continue
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found.event_us)
        assert instant.astimezone(rules).replace(tzinfo=None) == local
        assert found.utc_offset_min * 60 == (local - instant.replace(tzinfo=None)).total_seconds()
        placed.add(found.event_us)
    assert len(placed) + skipped == 365 * 48
    assert skipped == {"Africa/Lagos": 0, "Australia/Lord_Howe": 2}.get(zone, 4)


def test_the_machines_zone_files_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    assert moment(datetime(2025, 7, 1, 12), "Africa/Cairo", "") == Moment(
        1751360400000000, 180, "Africa/Cairo"
    )


@pytest.mark.parametrize(
    "name", ["", ".", "/", "\0", "é", "Africa/", "africa/lagos", "posixrules", "zones", "x" * 9999]
)
def test_what_is_no_zone(name: str) -> None:
    assert zone_rules(name) is None


def test_social_networks_and_mail_write_times_in_words() -> None:
    expected = datetime(2018, 10, 1, 20, 19, 24, tzinfo=UTC)
    assert posted("Mon Oct 01 20:19:24 +0000 2018") == expected
    for text in ("Mon, 1 Oct 2018 20:19:24 UT", "Mon, 01 Oct 2018 22:19:24 +0200", "1 Oct 2018 20:19:24 GMT"):
        assert mailed(text) == expected
    assert (
        posted("2018-10-01T20:19:24Z")
        == mailed("2018-10-01T20:19:24Z")
        == iso("2018-10-01T20:19:24Z")
        == expected
    )
    for text in (
        "Mon Oct 01 20:19:24 +0000 2018 ",
        "Mon Oct 01 25:19:24 +0000 2018",
        "Mon Oct 01 20:19:24 2018",
        "٢018",
    ):
        assert posted(text) is None
        assert mailed(text) is None


def test_offsets_have_names() -> None:
    assert [offset_name(m) for m in (0, 60, -210, 345)] == ["+00:00", "+01:00", "-03:30", "+05:45"]
