"""What the doors say when they do not do what was asked: RFC 9457 problem bodies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
RETRY_S = 1
"""What Retry-After says where nothing better is known."""


class Refusal(NamedTuple):
    """One case of saying no: `code` and `title` are stable, `hint` says what the caller can do."""

    code: str
    status: int
    title: str
    hint: str


@cache
def refusals(who: str) -> dict[str, Refusal]:
    """Every way in which `who` says no, by code: the `ingest` or `query` door, or the `engine` behind it.

    Errors of the engine keep their own codes. What an answer says of one is closer to its case than this.
    """
    lines = (files(__package__) / "refusals.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {
        code: Refusal(code, int(status), title, hint)
        for by, status, code, title, hint in rows
        if who in by.split(",")
    }


class Refused(Exception):
    """Ends a request with this refusal, from however deep inside; `detail` must not quote what was sent."""

    def __init__(self, refusal: Refusal, detail: str = "", retry_s: int = 0) -> None:
        super().__init__(refusal, detail, retry_s)
        self.refusal, self.detail, self.retry_s = refusal, detail, retry_s


def problem(
    status: int,
    code: str,
    title: str,
    detail: str = "",
    hint: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem answer: `code` is stable, `title` is the same for every one of that code.

    Neither `detail` nor `hint` may quote what the caller sent.
    """
    body = document(status, code, title, detail, hint)
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def document(status: int, code: str, title: str, detail: str = "", hint: str = "") -> dict[str, str | int]:
    """What a problem answer says (RFC 9457)."""
    body: dict[str, str | int] = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    return body | {name: text for name, text in (("detail", detail), ("hint", hint)) if text}


async def tell(_: Request, error: Exception) -> Response:
    """The answer to a request that was refused."""
    assert isinstance(error, Refused)
    case, headers = error.refusal, dict[str, str]()
    if case.status in (429, 503):
        headers["Retry-After"] = str(max(RETRY_S, error.retry_s))
    if case.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if case.code == "coding_not_taken":
        headers["Accept-Encoding"] = "gzip, zstd"
    return problem(case.status, case.code, case.title, error.detail, case.hint, headers)


async def broken(_: Request, __: Exception) -> Response:
    """The answer to a request that failed in a way nobody foresaw; the error itself goes to the log."""
    case = refusals("query")["internal"]  # as every door says it
    return problem(case.status, case.code, case.title, hint=case.hint)


def install(app: FastAPI) -> None:
    """Answer `Refused`, and make what the web framework refuses by itself, or what nobody foresaw, a problem
    without its values."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, "http_error", str(error.detail), headers=error.headers)

    async def unreadable(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        where = ", ".join(".".join(str(part) for part in each["loc"]) for each in error.errors())
        return problem(400, "bad_request", "a parameter cannot be read", where, "see /v1/openapi.json")

    app.add_exception_handler(Refused, tell)
    app.add_exception_handler(Exception, broken)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, unreadable)
