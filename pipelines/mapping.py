"""Records of a file nobody here wrote, as payloads of the plain contract: a mapping says what columns mean.

channel = "web_form"
source = "store-reviews"

[columns]                       # field of the plain contract = column, or several to be joined
id = "review_id"                # several columns make one id together; without an id all cells make it
text = ["title", "text"]
event_time = "created_at"
"place.city" = "town"

[constants]
"place.country" = "KE"

[time]                          # tried in order; a time that none fits goes as it stands
formats = ["%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d"]
zone = "Africa/Nairobi"         # of times without an offset

[file]
header = "platform"             # the header line begins so; what stands before it is no record
encoding = "utf-8"

Mappings of some public files are in `pipelines/mappings`.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from catalog.contracts.registry import CHANNELS
from catalog.contracts.times import zone_rules
from catalog.errors import BadInput

_END = "\0the file's end\0"
"""A line after the last: found within a cell, it says that the cell's quote is never closed."""


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file writes its times."""

    formats: tuple[str, ...] = ()
    zone: str | None = None


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the table begins, and how it is encoded."""

    header: str = ""
    encoding: str = "utf-8"
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the columns of one file mean."""

    channel: str
    source: str
    columns: dict[str, str | tuple[str, ...]]
    constants: dict[str, str] = {}
    time: Times = Times()
    file: Layout = Layout()


class Record(NamedTuple):
    """One record of the file: its number from 1, and its payload; None with the `fault` that keeps it from
    being one."""

    number: int
    payload: bytes | None
    fault: str | None


def load(path: Path) -> Mapping:
    """Read a mapping. Raises BadInput naming what is wrong with it."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mapping)
        codecs.lookup(found.file.encoding)
    except (OSError, ValueError, LookupError) as error:
        raise BadInput("the mapping cannot be read", hint=str(error), file=str(path)) from None
    fields = {*found.columns, *found.constants}
    faults = (
        (found.channel not in CHANNELS, f"channel must be one of {', '.join(CHANNELS)}"),
        (found.time.zone and zone_rules(found.time.zone) is None, "time.zone is not an IANA time zone"),
        (
            any(field.partition(".")[0] in fields for field in fields if "." in field),
            "a field is given whole and in parts, as `place` and `place.city`",
        ),
    )
    if wrong := [what for is_wrong, what in faults if is_wrong]:
        raise BadInput("the mapping cannot be used", hint="; ".join(wrong), file=str(path))
    return found


def records(path: Path, mapping: Mapping) -> Iterator[Record]:
    """Every record of the file, in order; none is left out. Raises BadInput when there is no such table.

    A line with nothing on it is no record.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput("the file cannot be opened", hint=str(error.strerror), file=str(path)) from None
    text = content.decode(mapping.file.encoding, "replace").removeprefix("\ufeff")
    # The module has one limit for everybody; a field is never longer than its file.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = _rows(text[_header(text, mapping.file.header, path) :], mapping.file.delimiter)
    header = next(rows, None) or []
    wanted = {name for columns in mapping.columns.values() for name in _listed(columns)}
    if missing := sorted(name for name in wanted if header.count(name) != 1):
        raise BadInput(
            "the mapping names columns that the file does not have exactly once",
            hint=", ".join(missing),
            file=str(path),
        )
    for number, cells in enumerate(rows, start=1):
        if cells is None:
            yield Record(number, None, "a quote is opened and never closed")
        elif len(cells) != len(header):
            yield Record(number, None, f"{len(cells)} cells where the header has {len(header)}")
        else:
            yield Record(number, payload(dict(zip(header, cells, strict=True)), mapping), None)


def payload(cells: dict[str, str], mapping: Mapping) -> bytes:
    """The plain contract's payload of one record; empty cells are fields that are not there."""
    fields = dict(mapping.constants)
    for name, columns in mapping.columns.items():
        given = [cells[column] for column in _listed(columns) if cells[column]]
        if given:
            fields[name] = ("\n" if name == "text" else " ").join(given)
    own = _listed(mapping.columns.get("id", ()))
    if len(own) != 1 or "id" not in fields:
        fields["id"] = _digest([cells[column] for column in own] if "id" in fields else [*cells.values()])
    if mapping.time.zone:
        fields["zone"] = mapping.time.zone
    if "event_time" in fields:
        fields["event_time"] = _instant(fields["event_time"], mapping.time.formats)
    nested: dict[str, str | dict[str, str]] = {}
    for name, value in fields.items():
        outer, _, inner = name.partition(".")
        parts = nested.setdefault(outer, {} if inner else value)
        if isinstance(parts, dict):
            parts[inner] = value
    return json.dumps(nested, ensure_ascii=False).encode("utf-8", "replace")


def _rows(text: str, delimiter: str) -> Iterator[list[str] | None]:
    """The cells of each row; None for a line whose quote is never closed, after which the next is read."""
    lines = [*io.StringIO(text, newline=""), _END]
    begin = 0
    while begin < len(lines):
        table, start = csv.reader(lines[begin:], delimiter=delimiter), 0
        for cells in table:
            if cells == [_END]:
                return
            if cells and cells[-1].endswith(_END):
                yield None
                break
            if cells:
                yield cells
            start = table.line_num
        begin += start + 1


def _digest(cells: Sequence[str]) -> str:
    """An id of the cells together: bounded, and no two rows of different cells share it."""
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def _header(text: str, starts: str, path: Path) -> int:
    """Where the header line begins."""
    found = re.search(rf"(?:^|[\r\n]){re.escape(starts)}", text)
    if found is None:
        raise BadInput(
            "no line of the file begins as file.header in the mapping says", hint=starts, file=str(path)
        )
    return found.end() - len(starts)


def _instant(text: str, formats: tuple[str, ...]) -> str:
    for form in formats:
        try:
            return datetime.strptime(text, form).isoformat()
        except ValueError:
            continue
    return text


def _listed(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns
