import pytest
from fastapi import FastAPI

from serve_apps.problems import HANDLERS, MEDIA_TYPE, problem
from tests.serve_apps.client import Client


def door() -> Client:
    app = FastAPI(exception_handlers=dict(HANDLERS))

    @app.get("/number")
    def number(n: int) -> int:
        return n

    return Client(app)


def test_says_what_happened_and_what_to_do() -> None:
    answer = problem(429, "too_many", "too many requests", "40 a second", "slow down", {"Retry-After": "2"})
    assert answer.status_code == 429
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["retry-after"] == "2"
    assert answer.body == (
        b'{"type":"/problems/too_many","title":"too many requests","status":429,"code":"too_many",'
        b'"detail":"40 a second","hint":"slow down"}'
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/number", 405, "method_not_allowed"),
        ("GET", "/number?n=secret", 400, "bad_request"),
        ("GET", "/number", 400, "bad_request"),
    ],
)
def test_refusals_of_the_framework_are_problems_without_values(
    method: str, path: str, status: int, code: str
) -> None:
    answer = door().request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["code"] == code
    assert "secret" not in answer.text
