"""A bundle is a value: same content, same hash; and its files are refused loudly when they are wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import catalog.bundle
from catalog.bundle.bundle import Bundle, decode
from catalog.bundle.folder import default, load
from catalog.errors import BadInput, Stopped

FILES = Path(catalog.bundle.__file__).parent / "default"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return default("key-1")


def test_encoding_is_the_identity_and_canonical(bundle: Bundle) -> None:
    again = decode(bundle.encode())
    assert again == bundle
    assert again.encode() == bundle.encode()
    assert len(again.hash) == 32


def test_the_hash_says_everything_that_decides(bundle: Bundle) -> None:
    settings = msgspec.structs.replace(bundle.settings, review_below=0.5)
    others = [
        default("key-2"),
        msgspec.structs.replace(bundle, settings=settings),
        msgspec.structs.replace(bundle, rules=bundle.rules[1:]),
        msgspec.structs.replace(bundle, places=bundle.places[:-1]),
        msgspec.structs.replace(bundle, operators=bundle.operators[::-1]),
    ]
    assert len({other.hash for other in others} | {bundle.hash}) == len(others) + 1
    assert default("key-1").hash == bundle.hash


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"taxonomy": []}'])
def test_other_bytes_are_no_bundle(content: bytes) -> None:
    with pytest.raises(Stopped):
        decode(content)


def test_the_shipped_taxonomy_is_the_six_categories(bundle: Bundle) -> None:
    assert [(category.l1, category.code) for category in bundle.taxonomy] == [
        ("network", "coverage"),
        ("network", "speed"),
        ("network", "outage"),
        ("billing", "overcharge"),
        ("billing", "refund"),
        ("service", "agent_experience"),
    ]


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (edit("rules.toml", 'l2 = "outage"', 'l2 = "outrage"'), {"rule": "network-down"}),
        (edit("rules.toml", 'name = "slow"', 'name = "no-network"'), {"rule": "no-network"}),
        (edit("rules.toml", '"(emergency', '"((emergency'), {"rule": "no-network"}),
        (edit("rules.toml", '"[#](ad|', '"[#(ad|'), {"rule": "advert"}),
        (edit("rules.toml", "{taken} (me", "{token} (me"), {"rule": "overcharged", "word": "token"}),
        (edit("rules.toml", "weight = 2.5", "weight = 0.0"), {"rule": "network-down"}),
        (edit("rules.toml", "weight = 2.5", "wait = 2.5"), {}),
        (edit("rules.toml", "[[rule]]", "[rule"), {}),
        (edit("taxonomy.toml", 'code = "speed"', 'code = "coverage"'), {}),
        (edit("taxonomy.toml", 'code = "speed"', 'code = "unclassified"'), {}),
        (edit("places.tsv", "NG\tAbia\tAba", "NG\tAbya\tAba"), {"place": "Aba"}),
        (edit("places.tsv", "NG\tAbia\tAba", "NG\tAbia\tUmuahia"), {"place": "Umuahia"}),
        (edit("places.tsv", "NG\tAbia\tAba", "NG\tAbia\tAba\tx\ty"), {"line": 11}),
        (edit("operators.toml", '"+234703"', '"0703"'), {"prefix": "0703"}),
        (edit("settings.toml", "review_below = 0.6", "review_below = 'low'"), {}),
        (edit("settings.toml", "\\b'", "(\\b'"), {}),
        (lambda folder: (folder / "settings.toml").unlink(), {}),
    ],
)
def test_a_fault_names_its_file_and_rule(
    tmp_path: Path, change: Callable[[Path], None], fields: dict[str, str]
) -> None:
    folder = tmp_path / "files"
    shutil.copytree(FILES, folder)
    change(folder)
    with pytest.raises(BadInput) as caught:
        load(folder, "key-1")
    assert caught.value.fields.items() >= fields.items()
    assert str(caught.value.fields["file"]).endswith((".toml", ".tsv"))
