"""Every registered point is passed somewhere, and none unregistered."""

import re
from pathlib import Path

import pytest

from catalog import failpoints
from catalog.errors import BadInput

ROOT = Path(__file__).parents[2]


def test_the_registry_and_the_code_agree() -> None:
    product = [p for part in ("actors", "catalog", "pipelines") for p in (ROOT / part).rglob("*.py")]
    source = "".join(p.read_text() for p in product if p.name != "failpoints.py")
    prefixes = "|".join(sorted({name.partition(".")[0] for name in failpoints.REGISTRY}))
    named = set(re.findall(rf'"((?:{prefixes})\.[a-z]+)"', source))
    named |= {f"{step}.{at}" for step in ("commit", "ledger") for at in ("staged", "swapped")}
    assert named == set(failpoints.REGISTRY)
    assert len(failpoints.REGISTRY) <= 40


def test_the_armed_hit_acts_and_no_other() -> None:
    failpoints.arm("plan.inserted:raise@2")
    try:
        failpoints.hit("plan.inserted")
        failpoints.hit("plan.scanned")
        with pytest.raises(OSError, match="failpoint"):
            failpoints.hit("plan.inserted")
        failpoints.hit("plan.inserted")
    finally:
        failpoints.arm("")


@pytest.mark.parametrize("spec", ["nowhere:kill@1", "plan.inserted:burn@1", "plan.inserted:kill@x"])
def test_a_wrong_spec_is_refused(spec: str) -> None:
    with pytest.raises(BadInput):
        failpoints.arm(spec)
