"""What is put stays, byte for byte, or somebody hears of it."""

from pathlib import Path

import msgspec
import pytest

from catalog.bundle.folder import default
from catalog.bundle.store import Bundles
from catalog.errors import Stopped
from catalog.objects.folder import Folder


def test_what_is_put_is_got_and_putting_again_changes_nothing(tmp_path: Path) -> None:
    bundles, bundle = Bundles(Folder(tmp_path / "bundles")), default("key-1")
    assert bundles.put(bundle) == bundles.put(bundle) == bundle.hash
    assert Bundles(Folder(tmp_path / "bundles")).get(bundle.hash) == bundle
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [f"{bundle.hash}.json"]


def test_a_key_made_anew_after_the_first_was_lost_is_refused(tmp_path: Path) -> None:
    bundles = Bundles(Folder(tmp_path))
    first = bundles.put(default("key-1"))
    with pytest.raises(Stopped) as caught:
        bundles.put(default("key-2"))
    assert caught.value.fields == {"needed": "key-1"}
    assert [path.name for path in tmp_path.iterdir()] == [f"{first}.json"]
    assert bundles.put(msgspec.structs.replace(default("key-1"), places=())) != first


def test_a_missing_bundle_stops(tmp_path: Path) -> None:
    with pytest.raises(Stopped) as caught:
        Bundles(Folder(tmp_path)).get("0" * 32)
    assert caught.value.fields == {"bundle": "0" * 32}


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b.replace(b"key-1", b"key-2"), lambda _: b""]
)
def test_a_damaged_bundle_stops(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    bundles, bundle = Bundles(Folder(tmp_path)), default("key-1")
    path = tmp_path / f"{bundles.put(bundle)}.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Stopped):
        bundles.get(bundle.hash)
