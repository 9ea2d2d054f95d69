"""The kernel against datasketch, value by value, and the promises about texts, bands and similarity."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash

from catalog.tables import EVENTS
from pipelines.stages import signature
from pipelines.stages.signature import (
    minhashes,
    normalise,
    signatures,
    similarities,
)


def similarity(a: bytes, b: bytes) -> float:
    left, right = (np.frombuffer(each, dtype=np.uint8)[None, :] for each in (a, b))
    return float(similarities(left, right)[0])


TEXTS = [
    "Network has been down in my area since Monday, please fix it",
    "Abeg una network no dey work since morning, I don tire o",
    "Dem deduct my airtime ₦500 two times 😡😡 👩‍👩‍👧‍👦",
    "Ọ̀rẹ́ mi, ìpè mi ń já ní gbogbo ìgbà",
    "شبكة الإنترنت لا تعمل",
    "Ｆｕｌｌ ｗｉｄｔｈ ﬁne STRASSE straße İstanbul",
    "tiny",
    "a",
    "😡",
    "abcde",
    "aaaaaaaaaaaaaaaaaaaaaaa",
    "\ud800 half a pair \udc00",
    "no\0 end\0\0",
    "long " * 20_000 + "text",
]


def shingle_hash(shingle: str) -> int:
    hashes, _ = signature._shingle_hashes([shingle])
    return int(hashes[0])


def of_datasketch(form: str) -> list[int]:
    oracle = MinHash(hashfunc=shingle_hash)
    oracle.update_batch({form[i : i + 5] for i in range(max(1, len(form) - 4))})
    values: list[int] = oracle.hashvalues.tolist()
    return values


def random_texts(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    alphabet = "etaoin shrdlu  ₦éßﬀ😡ọ́क\u3000\t"
    return ["".join(chance.choices(alphabet, k=chance.randint(0, 40))) for _ in range(count)]


def test_values_are_those_of_datasketch() -> None:
    forms = [form for form in map(normalise, TEXTS + random_texts(1, 200)) if form]
    assert minhashes(forms).tolist() == [of_datasketch(form) for form in forms]


def test_shingles_of_many_texts_hash_to_different_values() -> None:
    chance = random.Random(2)
    shingles = {"".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=5)) for _ in range(20_000)}
    # 20,000 values of 2^32 meet by chance 0.05 times.
    assert len({shingle_hash(shingle) for shingle in shingles}) >= len(shingles) - 2


def test_signature_is_the_low_byte_of_each_value() -> None:
    found = signatures([TEXTS[0]])
    expected = bytes(value & 255 for value in of_datasketch(normalise(TEXTS[0])))
    assert found.signature.to_pylist() == [expected]


@pytest.mark.parametrize("text", [None, "", " \t\u3000\n"])
def test_no_text_has_no_signature(text: str | None) -> None:
    found = signatures(["some text", text])
    assert found.signature.is_valid().to_pylist() == [True, False]
    assert found.band_hashes.is_valid().to_pylist() == [True, False]


@pytest.mark.parametrize("texts", [[], [None], TEXTS])
def test_columns_have_the_table_s_types(texts: list[str | None]) -> None:
    found = signatures(texts)
    for column, name in ((found.signature, "signature"), (found.band_hashes, "band_hashes")):
        assert column.type == EVENTS.arrow_schema.field(name).type
        assert len(column) == len(texts)
        column.validate(full=True)


def test_arrow_arrays_are_taken_as_they_come() -> None:
    texts = ["one text", None, "another text"]
    column = pa.chunked_array([pa.array(texts[:2]), pa.array(texts[2:])])
    assert signatures(column).signature.equals(signatures(texts).signature)


def test_a_text_s_signature_does_not_depend_on_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*random_texts(3, 60), None, *TEXTS[:13]]
    whole = signatures(texts)
    alone = [signatures([text]) for text in texts]
    assert whole.signature.to_pylist() == [one.signature[0].as_py() for one in alone]
    assert whole.band_hashes.to_pylist() == [one.band_hashes[0].as_py() for one in alone]
    monkeypatch.setattr(signature, "_GROUP", 37)
    assert signatures(texts).band_hashes.equals(whole.band_hashes)


def test_case_width_and_white_space_make_no_difference() -> None:
    one, other = signatures(
        ["Network  DOWN\n since Ｍonday ", "network down since monday"]
    ).signature.to_pylist()
    assert one == other


def test_a_band_covers_its_own_eight_full_values() -> None:
    values = minhashes([normalise(TEXTS[0])])
    before = signature._bands(values)[0]
    for position in range(128):
        changed = values.copy()
        changed[0, position] ^= np.uint32(1 << 31)
        differs = signature._bands(changed)[0] != before
        assert np.flatnonzero(differs).tolist() == [position // 8]


def test_equal_values_in_two_bands_hash_apart() -> None:
    hashes = signature._bands(np.full((1, 128), 7, dtype=np.uint32))
    assert len(set(hashes[0].tolist())) == 16


@pytest.mark.parametrize(
    ("agreeing", "expected"), [(128, 1.0), (0, 0.0), (64, (0.5 - 1 / 256) / (1 - 1 / 256))]
)
def test_similarity_takes_chance_out(agreeing: int, expected: float) -> None:
    left, right = bytes(128), bytes(agreeing) + b"\1" * (128 - agreeing)
    assert similarity(left, right) == pytest.approx(expected, abs=1e-12)


def test_similarities_is_similarity_row_by_row() -> None:
    rows = np.random.RandomState(4).randint(0, 2, (2, 50, 128)).astype(np.uint8)
    expected = [similarity(a.tobytes(), b.tobytes()) for a, b in zip(rows[0], rows[1], strict=True)]
    assert similarities(rows[0], rows[1]).tolist() == expected


def test_similarity_estimates_jaccard() -> None:
    chance = random.Random(5)
    errors = []
    for _ in range(200):
        words = ["".join(chance.choices("abcdefghij", k=6)) for _ in range(25)]
        changed = [word if chance.random() > 0.1 else word[::-1] for word in words]
        texts = [" ".join(words), " ".join(changed)]
        a, b = ({text[i : i + 5] for i in range(len(text) - 4)} for text in texts)
        one, other = signatures(texts).signature.to_pylist()
        errors.append(similarity(one, other) - len(a & b) / len(a | b))
    # The standard error of 128 permutations is at most 0.045 for one pair, 0.0032 for the mean of 200.
    assert abs(np.mean(errors)) < 0.013
    assert max(map(abs, errors)) < 0.18
