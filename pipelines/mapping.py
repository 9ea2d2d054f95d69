"""Records of a file nobody here wrote, as payloads of the plain contract: a mapping says what columns mean.

channel = "web_form"
source = "store-reviews"

[columns]                       # field of the plain contract = column, or several to be joined
id = ["review_id"]
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
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from catalog.errors import BadInput


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file writes its times."""

    formats: tuple[str, ...] = ()
    zone: str | None = None


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the table begins, and how it is encoded."""

    header: str = ""
    encoding: str = "utf-8"
    delimiter: str = ","


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
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mapping)
    except (OSError, ValueError) as error:
        raise BadInput("the mapping cannot be read", hint=str(error), file=str(path)) from None


def records(path: Path, mapping: Mapping) -> Iterator[Record]:
    """Every record of the file, in order; none is left out. Raises BadInput when there is no such table."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput("the file cannot be opened", hint=str(error.strerror), file=str(path)) from None
    text = content.decode(mapping.file.encoding, "replace").removeprefix("\ufeff")
    begin = _header(text, mapping.file.header, path)
    table = csv.reader(io.StringIO(text[begin:], newline=""), delimiter=mapping.file.delimiter)
    header = next(table, [])
    wanted = {name for columns in mapping.columns.values() for name in _listed(columns)}
    if missing := sorted(wanted - set(header)):
        raise BadInput(
            "the file lacks columns that the mapping names", hint=", ".join(missing), file=str(path)
        )
    number = 0
    while True:
        number += 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(number, None, f"not a CSV record: {error}")
            continue
        if len(cells) != len(header):
            yield Record(number, None, f"{len(cells)} cells where the header has {len(header)}")
            continue
        yield Record(number, payload(dict(zip(header, cells, strict=True)), mapping), None)


def payload(cells: dict[str, str], mapping: Mapping) -> bytes:
    """The plain contract's payload of one record; empty cells are fields that are not there."""
    fields = dict(mapping.constants)
    for name, columns in mapping.columns.items():
        given = [cells[column] for column in _listed(columns) if cells[column]]
        if given:
            fields[name] = ("\n" if name == "text" else " ").join(given)
    if mapping.time.zone:
        fields["zone"] = mapping.time.zone
    if "event_time" in fields:
        fields["event_time"] = _instant(fields["event_time"], mapping.time.formats)
    nested: dict[str, object] = {}
    for name, value in fields.items():
        outer, _, inner = name.partition(".")
        if inner:
            parts = nested.setdefault(outer, {})
            assert isinstance(parts, dict)
            parts[inner] = value
        else:
            nested[outer] = value
    return json.dumps(nested, ensure_ascii=False).encode("utf-8", "replace")


def _header(text: str, starts: str, path: Path) -> int:
    if not starts or text.startswith(starts):
        return 0
    found = text.find("\n" + starts)
    if found < 0:
        raise BadInput("no line begins as the mapping says its header does", hint=starts, file=str(path))
    return found + 1


def _instant(text: str, formats: tuple[str, ...]) -> str:
    for form in formats:
        try:
            return datetime.strptime(text, form).isoformat()
        except ValueError:
            continue
    return text


def _listed(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns
