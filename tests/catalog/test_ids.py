"""Identity is a pinned function: other systems compute it too."""

import hashlib

from catalog.ids import KINDS, conflict_id, event_id


def test_the_pinned_bytes() -> None:
    parts = b"".join(len(p).to_bytes(4, "big") + p for p in (b"gateway", b"provider", "nó".encode()))
    assert event_id("gateway", "provider", "nó") == hashlib.sha256(parts).hexdigest()[:32]


def test_no_two_triples_share_their_bytes() -> None:
    assert event_id("ab", "provider", "c") != event_id("a", "provider", "bc")
    assert len({event_id("a", kind, "b") for kind in KINDS}) == len(KINDS)


def test_a_conflict_has_an_id_of_its_own() -> None:
    original = event_id("gateway", "provider", "1")
    assert conflict_id("gateway", original, "d1") != conflict_id("gateway", original, "d2") != original
