"""The description is whole, and what it tells people to run runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema

from serve_apps.ingest.api import MOVED, create_api
from serve_apps.ingest.openapi import document
from serve_apps.ingest.refusals import STATUSES
from serve_apps.problems import refusals
from tests.serve_apps.documents import references, resolved
from tests.serve_apps.ingest.doors import deps, payloads, token
from tests.serve_apps.served import served


def test_every_reference_leads_somewhere() -> None:
    found = list(references(document()))
    assert len(found) > 50
    assert [each for each in found if resolved(document(), each) is None] == []


def test_schemas_are_schemas_and_take_their_examples() -> None:
    components = document()["components"]
    for name, schema in components["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        whole = {"$ref": f"#/components/schemas/{name}", "components": components}
        for example in schema.get("examples", ()):
            jsonschema.Draft202012Validator(whole).validate(example)


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
    routes = {getattr(route, "path", "") for route in app.routes} - set(MOVED) - {"/openapi.json"}
    described = {
        re.sub(r"/v1/(social|sms|web_form|call_centre)/", "/v1/{channel}/", path)
        for path in document()["paths"]
    }
    assert routes == described


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
