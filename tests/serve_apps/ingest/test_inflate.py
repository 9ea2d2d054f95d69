"""Codings are undone in pieces, and stopped where they grow beyond a limit."""

import gzip
import random
from contextlib import suppress

import pytest
import zstandard

from serve_apps.ingest.inflate import inflate
from serve_apps.problems import Refused

MIB = 1024 * 1024
PACK = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def unpack(coding: str, body: bytes, limit_bytes: int = 16 * MIB, ratio: int = 200) -> tuple[bytes, int]:
    taken: list[int] = []
    return inflate(coding, body, limit_bytes, ratio, taken.append), sum(taken)


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("size", [0, 1, 257, 65_536, 3 * MIB + 1])
def test_what_was_packed_comes_back_and_is_counted(coding: str, size: int) -> None:
    text = random.Random(size).randbytes(size // 2).hex().encode().ljust(size, b".")
    assert unpack(coding, PACK[coding](text)) == (text, size)


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize(
    ("limit_bytes", "ratio"), [(4 * MIB, 10**9), (10**9, 20)], ids=["by size", "by ratio"]
)
def test_a_bomb_is_stopped_before_it_is_made(coding: str, limit_bytes: int, ratio: int) -> None:
    bomb = PACK[coding](b"\0" * (64 * MIB))
    taken: list[int] = []
    with pytest.raises(Refused) as error:
        inflate(coding, bomb, limit_bytes, ratio, taken.append)
    assert error.value.refusal.code == "inflates_too_much"
    assert sum(taken) <= 9 * MIB


@pytest.mark.parametrize("coding", PACK)
def test_what_is_not_whole_is_unreadable(coding: str) -> None:
    packed = PACK[coding](b'{"id":"1"}' * 100)
    broken = [b"", packed[:-1], packed[:9], packed + b"x", packed + packed, b"x" * 600, b"\0" + packed]
    broken += [packed + b"x" * 70_000]
    for body in broken:
        with pytest.raises(Refused) as error:
            unpack(coding, body)
        assert error.value.refusal.code == "coding_unreadable"


def test_short_texts_of_one_template_are_no_bomb() -> None:
    text = b'{"text":"no network"}\n' * 40_000
    assert unpack("gzip", gzip.compress(text), ratio=1) == (text, len(text))


def test_any_bytes_are_inflated_or_refused() -> None:
    rng = random.Random(3)
    for _ in range(300):
        coding = rng.choice(list(PACK))
        body = bytearray(PACK[coding](rng.randbytes(rng.randrange(200))))
        for _ in range(rng.randrange(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        with suppress(Refused):
            unpack(coding, bytes(body))
