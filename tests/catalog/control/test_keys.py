"""Who may send: tokens are shown once, rotated without a gap, and known without the database."""

import pytest
from sqlalchemy import select

from catalog.control import schema
from catalog.control.keys import ROLES, KeyCache, Keys, Role, StoredKey
from catalog.control.schema import open_control
from catalog.errors import BadInput, Unavailable


class Clock:
    """Both clocks in one, moved by hand."""

    def __init__(self) -> None:
        self.at_s = 1_000.0

    def now_us(self) -> int:
        return int(self.at_s * 1e6)

    def elapsed_s(self) -> float:
        return self.at_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(control_url: str, clock: Clock) -> Keys:
    return Keys(open_control(control_url), clock)


def cache_of(keys: Keys, clock: Clock) -> KeyCache:
    cache = KeyCache(keys.stored, clock, 5.0)
    assert cache.refresh_if_old() is None
    return cache


def role_of(cache: KeyCache, token: str) -> Role | None:
    key = cache.find(token)
    return None if key is None else key.role


def test_a_token_opens_what_its_key_names(keys: Keys, clock: Clock) -> None:
    made = keys.create("gateway-1", ["sms", "social", "sms"], "ingest")
    key = cache_of(keys, clock).verify(made.token, clock.now_us())
    assert key is not None
    assert (key.key_id, key.source, key.channels, key.role) == (
        made.key_id,
        "gateway-1",
        ("sms", "social"),
        "ingest",
    )
    assert made.token.startswith(f"bjn_{made.key_id}_")


def test_a_token_has_the_role_of_its_key(keys: Keys, clock: Clock) -> None:
    tokens = {role: keys.create("desk", ["sms"] if role == "ingest" else [], role).token for role in ROLES}
    cache = cache_of(keys, clock)
    found = {role: role_of(cache, token) for role, token in tokens.items()}
    assert found == {role: role for role in ROLES}
    assert role_of(cache, "bjn_0_0") is None


def test_a_secret_is_nowhere_but_in_its_token(keys: Keys, control_url: str) -> None:
    secret = keys.create("gateway-1", ["sms"], "ingest").token.rpartition("_")[2]
    with open_control(control_url).connect() as connection:
        stored = connection.execute(select(schema.api_keys)).one()
    assert secret not in str(stored)
    assert secret not in str(keys.list())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: token[:-1],
        lambda token: token + "0",
        lambda token: token.upper(),
        lambda token: token.replace("bjn", "bjm"),
        lambda token: token.partition("_")[2],
        lambda token: "bjn_000000000000_" + token.rpartition("_")[2],
        lambda token: "",
        lambda token: "__",
        lambda token: "\udcff_é_ü",
    ],
)
def test_another_token_opens_nothing(keys: Keys, clock: Clock, spoil: "type[str]") -> None:
    made = keys.create("gateway-1", ["sms"], "ingest")
    assert cache_of(keys, clock).verify(spoil(made.token), clock.now_us()) is None


def test_rotation_has_no_gap_and_ends(keys: Keys, clock: Clock) -> None:
    old = keys.create("gateway-1", ["sms"], "ingest")
    new = keys.rotate(old.key_id, grace_s=60.0)
    cache = cache_of(keys, clock)
    for at_s, old_works in ((0, True), (59, True), (60, False), (1e6, False)):
        now_us = clock.now_us() + int(at_s * 1e6)
        assert (cache.verify(old.token, now_us) is not None) == old_works
        key = cache.verify(new.token, now_us)
        assert key is not None
        assert (key.source, key.channels, key.role) == ("gateway-1", ("sms",), "ingest")


def test_a_second_rotation_does_not_lengthen_the_first(keys: Keys, clock: Clock) -> None:
    old = keys.create("gateway-1", ["sms"], "ingest")
    keys.rotate(old.key_id, grace_s=10.0)
    keys.rotate(old.key_id, grace_s=1_000.0)
    assert cache_of(keys, clock).verify(old.token, clock.now_us() + 10_000_000) is None


def test_a_revoked_key_ends_and_stays_listed(keys: Keys, clock: Clock) -> None:
    made = keys.create("gateway-1", ["sms"], "ingest")
    keys.revoke(made.key_id)
    ended_us = keys.list()[0].revoked_us
    clock.at_s += 1
    keys.revoke(made.key_id)
    assert cache_of(keys, clock).verify(made.token, clock.now_us()) is None
    assert [(key.key_id, key.revoked_us) for key in keys.list()] == [(made.key_id, ended_us)]
    with pytest.raises(BadInput):
        keys.rotate(made.key_id, 60.0)


@pytest.mark.parametrize(
    ("source", "channels", "role"),
    [
        ("", ["sms"], "ingest"),
        ("x" * 201, ["sms"], "ingest"),
        ("a\nb", ["sms"], "ingest"),
        ("\ud800", ["sms"], "ingest"),
        ("gateway", ["SMS"], "ingest"),
        ("gateway", [], "ingest"),
        ("board", ["sms"], "analyst"),
        ("gateway", ["sms"], "owner"),
    ],
)
def test_names_that_cannot_be_are_refused(keys: Keys, source: str, channels: list[str], role: str) -> None:
    with pytest.raises(BadInput):
        keys.create(source, channels, role)  # type: ignore[arg-type]
    assert keys.list() == []


def test_an_unknown_key_is_told(keys: Keys) -> None:
    with pytest.raises(BadInput):
        keys.revoke("nobody")
    with pytest.raises(BadInput):
        keys.rotate("nobody", 60.0)


def test_the_cache_follows_within_its_age(keys: Keys, clock: Clock) -> None:
    cache = cache_of(keys, clock)
    made = keys.create("gateway-1", ["sms"], "ingest")
    clock.at_s += 4.9
    cache.refresh_if_old()
    assert cache.verify(made.token, clock.now_us()) is None
    clock.at_s += 0.1
    cache.refresh_if_old()
    assert cache.verify(made.token, clock.now_us()) is not None


def test_without_the_database_the_last_keys_stay_in_force(keys: Keys, clock: Clock) -> None:
    made = keys.create("gateway-1", ["sms"], "ingest")
    answers = [keys.stored]

    def read() -> list[StoredKey]:
        if not answers:
            raise Unavailable("the control database does not answer")
        return list(answers[0]())

    cache = KeyCache(read, clock, 5.0)
    answers.clear()
    assert isinstance(cache.refresh_if_old(), Unavailable)
    assert (cache.is_loaded, cache.verify(made.token, 0)) == (False, None)
    answers.append(keys.stored)
    assert cache.refresh_if_old() is None
    answers.clear()
    clock.at_s += 1e6
    assert isinstance(cache.refresh_if_old(), Unavailable)
    assert cache.is_loaded
    assert cache.verify(made.token, clock.now_us()) is not None


def test_without_the_database_nobody_can_say_that_a_key_is_unknown(keys: Keys, clock: Clock) -> None:
    before, ended = (keys.create("desk", [], "analyst") for _ in range(2))
    keys.revoke(ended.key_id)
    failing = False

    def read() -> list[StoredKey]:
        if failing:
            raise Unavailable("the control database does not answer")
        return list(keys.stored())

    failing, cache = True, KeyCache(read, clock, 5.0)
    with pytest.raises(Unavailable):
        role_of(cache, before.token)
    failing = False
    assert role_of(cache, before.token) == "analyst"
    failing, after = True, keys.create("desk", [], "analyst")
    clock.at_s += 1e6
    assert role_of(cache, before.token) == "analyst"
    with pytest.raises(Unavailable):
        role_of(cache, after.token)
    # What was read of them, or what they look like, is enough to say no.
    refused = [before.token + "0", ended.token, "other", ""]
    assert [role_of(cache, token) for token in refused] == [None] * len(refused)
