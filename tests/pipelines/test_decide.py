"""What is no line to decide is told by its number, before anything of its batch is decided."""

import pytest

from catalog.errors import BadInput
from pipelines.decide import decisions


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"{}", b"\xff", b'{"id": "\\ud800"}', b'{"id": 1, "received_at": 5}']
)
def test_a_line_that_cannot_be_decided(line: bytes) -> None:
    with pytest.raises(BadInput) as told:
        list(decisions([b'{"id": "a"}', b"", line], lambda _: pytest.fail("decided"), 0))
    assert told.value.fields == {"line": 3}
