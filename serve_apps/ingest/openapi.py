"""The door's description: OpenAPI 3.1, made from the registries of contracts and refusals."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

import msgspec

from catalog.contracts.contract import Contract
from catalog.contracts.forms import FORM
from catalog.contracts.registry import CHANNELS, CONTRACTS
from serve_apps.addresses import QUERY_DESCRIPTION
from serve_apps.credentials import SCHEMES, SECURITY
from serve_apps.description import problem_response, problem_schema
from serve_apps.description import refused_with as _problems
from serve_apps.ingest import examples
from serve_apps.ingest.framing import JSON, NDJSON
from serve_apps.ingest.receipts import NotStored, Receipt, Stored
from serve_apps.ingest.refusals import STATUSES
from serve_apps.ingest.status import State
from serve_apps.problems import refusals

_SENDING = (400, 401, 403, 404, 413, 415, 429, 503)
_ABOUT = (
    "Events come in, and are acknowledged with 202 once they are durable. What an event says is judged "
    "afterwards: ask its status address. Send anything again that was not acknowledged; the same event "
    f"is stored once, however often it comes. What can be asked is described in {QUERY_DESCRIPTION}."
)
Json = dict[str, Any]


def document() -> Json:
    """The whole description, as JSON values."""
    paths: Json = {}
    for channel in CHANNELS:
        paths[f"/v1/{channel}/events"] = {"post": _single(channel)}
        paths[f"/v1/{channel}/events:batch"] = {"post": _batch(channel)}
    paths["/v1/events/{event_id}"] = {"get": _event()}
    paths["/healthz"] = {"get": _state("healthz", "Alive", ())}
    paths["/readyz"] = {"get": _state("readyz", "Ready to take events", (503,))}
    return {
        "openapi": "3.1.0",
        "info": {"title": "beejan", "version": importlib.metadata.version("beejan"), "description": _ABOUT},
        "security": SECURITY,
        "paths": paths,
        "components": {
            "securitySchemes": SCHEMES,
            "schemas": _schemas(),
            "responses": {
                str(status): problem_response(status, about, refusals("ingest").values())
                for status, about in STATUSES.items()
            },
        },
    }


def _single(channel: str) -> Json:
    contracts = _contracts(channel)
    content: Json = {JSON: _any_of(contracts)}
    if any(contract.forms for contract in contracts):
        content[FORM] = _any_of([contract for contract in contracts if contract.forms])
    return {
        "operationId": f"send_{channel}",
        "summary": f"Send one event of {channel}",
        "parameters": [_contract_parameter(contracts), _IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": content},
        "responses": {"202": _answer("Durable", _ref("Receipt")), **_problems(*_SENDING, 409, 422)},
        "x-codeSamples": _samples(examples.send_one(channel)),
    }


def _batch(channel: str) -> Json:
    contracts = _contracts(channel)
    description = (
        "One event a line, or a JSON array. There is a result for each event, in order; those with status "
        "202 are durable, the others were not stored. Each event brings its own id: Idempotency-Key has no "
        "meaning here."
    )
    results = {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": {"anyOf": [_ref("Stored"), _ref("NotStored")]}}},
    }
    return {
        "operationId": f"send_{channel}_batch",
        "summary": f"Send events of {channel}",
        "description": description,
        "parameters": [_contract_parameter(contracts)],
        "requestBody": {
            "required": True,
            "content": {
                NDJSON: {"schema": {"type": "string"}},
                JSON: {"schema": {"type": "array", "items": _any_of(contracts)["schema"]}},
            },
        },
        "responses": {"202": _answer("A result for each event", results), **_problems(*_SENDING)},
        "x-codeSamples": _samples(examples.send_batch(channel)),
    }


def _event() -> Json:
    parameter = {"name": "event_id", "in": "path", "required": True, "schema": _EVENT_ID}
    return {
        "operationId": "event",
        "summary": "What became of an event",
        "description": "`pending` also for an event that is unknown, or of another source than the key's.",
        "parameters": [parameter],
        "responses": {"200": _answer("Its state", _ref("State")), **_problems(400, 401, 403, 429, 503)},
        "x-codeSamples": _samples(examples.ask()),
    }


def _state(name: str, summary: str, statuses: tuple[int, ...]) -> Json:
    schema = {"type": "object", "required": ["state"], "properties": {"state": {"type": "string"}}}
    responses = {"200": _answer(summary, schema), **_problems(*statuses)}
    return {"operationId": name, "summary": summary, "security": [], "responses": responses}


def _contracts(channel: str) -> list[Contract]:
    return [contract for contract in CONTRACTS.values() if contract.channel in (channel, "")]


def _any_of(contracts: list[Contract]) -> Json:
    shown = {contract.name: {"value": json.loads(contract.example)} for contract in contracts}
    return {"schema": {"anyOf": [_ref(_name(contract)) for contract in contracts]}, "examples": shown}


def _contract_parameter(contracts: list[Contract]) -> Json:
    schema = {"type": "string", "enum": [contract.name for contract in contracts]}
    about = "By which contract the payload is read; the channel's newest unless given."
    return {"name": "contract", "in": "query", "description": about, "schema": schema}


_EVENT_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The sender's own id of this event, for payloads that bring no provider's id.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def _schemas() -> Json:
    _, ours = msgspec.json.schema_components(
        [Receipt, Stored, NotStored, State], ref_template="#/components/schemas/{name}"
    )
    contracts: Json = {}
    for each in CONTRACTS.values():
        contracts |= _lifted(_name(each), each.json_schema())
    return {**ours, **contracts, "Problem": problem_schema(refusals("ingest"))}


def _lifted(name: str, schema: Json) -> Json:
    """A schema that brings definitions, and these beside it: references lead through the whole document."""

    def led(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: value[key].replace("#/$defs/", f"#/components/schemas/{name}-")
                if key == "$ref"
                else led(inner)
                for key, inner in value.items()
            }
        return [led(inner) for inner in value] if isinstance(value, list) else value

    own = {key: value for key, value in schema.items() if key != "$defs"}
    beside = {f"{name}-{inner}": led(value) for inner, value in schema.get("$defs", {}).items()}
    return {name: led(own), **beside}


def _name(contract: Contract) -> str:
    return contract.name.replace("/", "-")


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _samples(programs: dict[str, str]) -> list[Json]:
    return [{"lang": language, "source": source} for language, source in programs.items()]
