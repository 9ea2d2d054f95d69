"""Answers as the caller wants them: JSON, CSV that a spreadsheet cannot run, or Arrow's stream format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
from fastapi import Response

from serve_apps.query.engine.port import Answer, past_calendar
from serve_apps.query.refusals import refused
from serve_apps.query.views import type_name

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
AS_OF = "Beejan-As-Of-Seq"
TRUNCATED = "Beejan-Truncated"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so is a formula to a spreadsheet."""


def respond(answer: Answer, accept: str, more: str | None = None) -> Response:
    """The answer in the known type that the Accept header likes best; `more` is the next page's cursor.

    Raises Refused (406) when none is.
    """
    kind = _chosen(accept)
    headers = {AS_OF: str(answer.as_of_seq), TRUNCATED: str(answer.truncated).lower()}
    headers |= {"Cache-Control": "no-store"} | ({"Beejan-Next": more} if more else {})
    return Response(FORMATS[kind](answer, more), headers=headers, media_type=kind)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dictionaries, ready to be JSON. Raises BadInput for a time that no calendar here has."""
    # msgspec writes decimals as text, while every engine here has whole numbers in them at most.
    plain = [
        pa.field(each.name, pa.float64()) if pa.types.is_decimal(each.type) else each for each in table.schema
    ]
    try:
        return list(table.cast(pa.schema(plain)).to_pylist())
    except (ValueError, OverflowError):
        raise past_calendar() from None


def _json(answer: Answer, more: str | None) -> bytes:
    body = {
        "as_of_seq": answer.as_of_seq,
        "truncated": answer.truncated,
        "columns": [{"name": each.name, "type": type_name(each.type)} for each in answer.table.schema],
        "rows": rows(answer.table),
    }
    return msgspec.json.encode(body | ({"next": more} if more else {}))


def _csv(answer: Answer, _: str | None) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(map(_cell, answer.table.column_names))
    writer.writerows([_cell(value) for value in row.values()] for row in rows(answer.table))
    return out.getvalue().encode()


def _arrow(answer: Answer, _: str | None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, answer.table.schema) as stream:
        stream.write_table(answer.table)
    return bytes(sink.getvalue().to_pybytes())


FORMATS: dict[str, Callable[[Answer, str | None], bytes]] = {JSON: _json, CSV: _csv, ARROW: _arrow}


KINDS = {"*/*": JSON, "application/*": JSON, "": JSON, "text/*": CSV, **{kind: kind for kind in FORMATS}}
"""What a media range of an Accept header gets."""


def _liked(media_range: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return kind, float(weight)
    except ValueError:
        return kind, 1.0


def _cell(value: object) -> str:
    if isinstance(value, str):
        return "'" + value if value.startswith(FORMULA) else value
    return "" if value is None else msgspec.json.encode(value).decode().strip('"')


def _chosen(accept: str) -> str:
    named = sorted(map(_liked, accept.split(",")), key=lambda each: -each[1])  # the first of equals
    for kind, quality in named:
        if kind in KINDS and quality > 0:
            return KINDS[kind]
    raise refused("not_acceptable", "Accept one of: " + ", ".join(FORMATS))
