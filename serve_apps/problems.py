"""What the doors say when they do not do what was asked: RFC 9457 problem bodies."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from serve_apps.credentials import CHALLENGES

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
    if case.code == "coding_not_taken":
        headers["Accept-Encoding"] = "gzip, zstd"
    answer = problem(case.status, case.code, case.title, error.detail, case.hint, headers)
    if case.status == 401:
        for challenge in CHALLENGES:
            answer.headers.append("WWW-Authenticate", challenge)
    return answer


async def broken(_: Request, __: Exception) -> Response:
    """The answer to a request that failed in a way nobody foresaw; the error itself goes to the log."""
    case = refusals("query")["internal"]  # as every door says it
    return problem(case.status, case.code, case.title, hint=case.hint)


async def unrouted(_: Request, error: Exception) -> Response:
    """The answer where no address fits, or not with this method."""
    assert isinstance(error, HTTPException)
    case = refusals("query")["method_not_allowed" if error.status_code == 405 else "not_found"]
    return problem(case.status, case.code, case.title, hint=case.hint, headers=error.headers)


async def unreadable(_: Request, error: Exception) -> Response:
    """The answer to parameters that do not fit, without their values."""
    assert isinstance(error, RequestValidationError)
    case = refusals("query")["bad_request"]
    where = ", ".join(".".join(str(part) for part in each["loc"]) for each in error.errors())
    return problem(case.status, case.code, case.title, where, case.hint)


HANDLERS: Mapping[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Refused: tell,
    HTTPException: unrouted,
    RequestValidationError: unreadable,
    Exception: broken,
}
"""What an application answers with: each refusal, the framework's own too, is a problem."""
