"""Who read an original: a line that is there for good."""

from __future__ import annotations

from catalog.control.originals import OriginalRead, OriginalReads
from catalog.control.schema import open_control


class Clock:
    """Moved by hand."""

    at_us = 5

    def now_us(self) -> int:
        return self.at_us

    def elapsed_s(self) -> float:
        return 0.0


def test_each_read_is_a_line_newest_first(control_url: str) -> None:
    clock = Clock()
    reads = OriginalReads(open_control(control_url), clock)
    reads.add("k1", "e1")
    clock.at_us = 3  # the wall clock may go back
    reads.add("k2", "e1")
    reads.add("k2", "e1")
    again = OriginalReads(open_control(control_url), clock)
    assert again.list(2) == [OriginalRead("k2", "e1", 3)] * 2
    assert again.list(9)[2] == OriginalRead("k1", "e1", 5)
