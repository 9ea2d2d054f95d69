"""The description is whole, and what it tells people to run runs."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import uvicorn

from serve_apps.ingest.api import PASSED_ON, create_api
from serve_apps.ingest.openapi import document
from serve_apps.ingest.refusals import STATUSES
from serve_apps.problems import refusals
from tests.serve_apps.ingest.doors import deps, payloads, token


def references(value: Any, base: Any) -> Iterator[tuple[Any, str]]:
    """Every reference, with the document it is relative to."""
    if isinstance(value, dict):
        base = value if "$id" in value else base
        for name, inner in value.items():
            if name == "$ref":
                yield base, inner
            else:
                yield from references(inner, base)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner, base)


def test_every_reference_leads_somewhere() -> None:
    described = document()
    found = list(references(described, described))
    assert len(found) > 50
    for base, reference in found:
        for part in reference.removeprefix("#/").split("/"):
            base = base[part]


def test_schemas_are_schemas_and_take_their_examples() -> None:
    for schema in document()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            jsonschema.Draft202012Validator(schema).validate(example)


def test_every_status_and_code_is_described() -> None:
    responses = document()["components"]["responses"]
    assert (
        {int(status) for status in responses}
        == set(STATUSES)
        == {case.status for case in refusals("ingest").values()}
    )
    told = [
        code
        for each in responses.values()
        for code in each["content"]["application/problem+json"]["examples"]
    ]
    assert sorted(told) == sorted(refusals("ingest"))


def test_every_address_is_described(tmp_path: Path) -> None:
    app = create_api(deps(tmp_path))
    passed = {path for path, _ in PASSED_ON}
    routes = {getattr(route, "path", "") for route in app.routes} - passed - {"/openapi.json"}
    described = {
        re.sub(r"/v1/(social|sms|web_form|call_centre)/", "/v1/{channel}/", path)
        for path in document()["paths"]
    }
    assert routes == described


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app behind a real server on a free port; its address."""
    started = threading.Event()

    class Told(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Told(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(60)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)


def test_the_examples_run(tmp_path: Path) -> None:
    samples = [
        sample
        for path in document()["paths"].values()
        for operation in path.values()
        for sample in operation.get("x-codeSamples", ())
    ]
    assert len(samples) == 2 * 9
    key = token(tmp_path)
    with served(create_api(deps(tmp_path))) as url:
        environment = {**os.environ, "BEEJAN_URL": url, "BEEJAN_KEY": key}
        for sample in samples:
            command = (
                ["bash", "-c", sample["source"]]
                if sample["lang"] == "curl"
                else [sys.executable, "-c", sample["source"]]
            )
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=120
            )
            assert done.returncode == 0, done.stderr + done.stdout
            assert "event_id" in done.stdout
    assert len(payloads(tmp_path)) == 2 * (4 + 4 * 2)
