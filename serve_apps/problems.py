"""What the doors say when they do not do what was asked: RFC 9457 problem bodies."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


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
    body = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    body |= {name: text for name, text in (("detail", detail), ("hint", hint)) if text}
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


class Refused(Exception):
    """Ends a request with this answer, from however deep inside it."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def install(app: FastAPI) -> None:
    """Answer `Refused`, and make what the web framework refuses by itself a problem without its values."""

    async def said(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return error.answer

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, "http_error", str(error.detail), headers=error.headers)

    async def unreadable(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        where = ", ".join(".".join(str(part) for part in each["loc"]) for each in error.errors())
        return problem(400, "bad_request", "a parameter cannot be read", where, "see /v1/openapi.json")

    app.add_exception_handler(Refused, said)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, unreadable)
