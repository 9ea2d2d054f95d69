"""What each contract in the registry promises."""

import json
import random
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from catalog.contracts.contract import Contract
from catalog.contracts.faults import DEPTH, LIMIT
from catalog.contracts.reading import Reading, Violation
from catalog.contracts.registry import CHANNELS, CONTRACTS, at_door
from catalog.tables import REASONS

JSON = "application/json"
DEEP = "[" * (DEPTH + 1) + "]" * (DEPTH + 1)
ODD = [
    *("null", "true", "7", "-0.5", '""', '"x"', "[]", "{}", "[null]", "[{}]", '{"a":{}}', '["\\u0000"]'),
    *("NaN", '"\\ud800"', "1e999", "9" * 30, "9" * 4300, "9" * 4301, DEEP, '"2025-02-30T10:00:00Z"', ""),
    *('[{"speaker":"caller"}]', '[{"speaker":"caller","text":null},{"text":"a"}]', '"9999-12-31T23:59:59"'),
]
"""Values, as JSON spells them or nearly, to stand where a contract wants something else."""

every = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


def sample(contract: Contract) -> dict[str, Any]:
    return dict(json.loads(contract.example))


def read(contract: Contract, payload: object) -> Reading | Violation:
    return contract.read(json.dumps(payload).encode(), JSON)


def judged(contract: Contract, payload: bytes) -> Reading | Violation:
    """What is read of any bytes, which must make sense."""
    found = contract.read(payload, JSON)
    if isinstance(found, Violation):
        assert found.reason in REASONS
        assert (found.field == "") == (found.reason == "payload_unreadable")
    else:
        assert contract.identify(payload, JSON) is not None
    return found


def objects(value: object, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for name, inner in value.items():
            yield from objects(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner, f"{path}[*]")


def required(contract: Contract) -> list[list[str]]:
    parts = contract.json_schema()["$defs"]

    def of(part: dict[str, Any]) -> list[list[str]]:
        found = []
        for name in part.get("required", ()):
            inner = part["properties"][name].get("$ref", "").rpartition("/")[2]
            found += [[name], *([name, *rest] for rest in of(parts[inner]) if inner)] if inner else [[name]]
        return found

    return of(parts[contract.payload.__name__])


@every
def test_its_example_reads_and_says_who_and_when(contract: Contract) -> None:
    reading = judged(contract, contract.example)
    assert isinstance(reading, Reading)
    assert reading.text
    assert reading.customer
    assert reading.zone
    assert reading.extra == ()


@every
def test_its_schema_holds_for_its_example_and_asks_for_what_is_required(contract: Contract) -> None:
    schema = contract.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(sample(contract))
    assert validator.is_valid({**sample(contract), "surprise": 1}), "what is unknown is no fault"
    assert schema["examples"] == [sample(contract)]
    assert len(required(contract)) >= 2
    for path in required(contract):
        broken = sample(contract)
        _holder(broken, path).pop(path[-1])
        assert not validator.is_valid(broken)


@every
@pytest.mark.parametrize("broken", [..., None, ["x"], 7], ids=["removed", "null", "list", "number"])
def test_a_required_field_that_is_missing_or_wrong_is_named(contract: Contract, broken: object) -> None:
    for path in required(contract):
        payload = sample(contract)
        holder = _holder(payload, path)
        holder[path[-1]] = broken
        if broken is ...:
            del holder[path[-1]]
        found = read(contract, payload)
        assert isinstance(found, Violation)
        assert found.field == "$." + ".".join(path)
        assert found.reason in REASONS
        if path == required(contract)[0]:
            assert found.reason == "id_invalid"
            assert found.text == judged(contract, contract.example).text
            assert found.event_us == judged(contract, contract.example).event_us


def _holder(payload: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for name in path[:-1]:
        payload = payload[name]
    return payload


@every
def test_of_two_faults_the_first_in_the_contracts_order_is_named(contract: Contract) -> None:
    first, *_, last = required(contract)
    payload = dict(reversed(sample(contract).items()))
    payload[first[0]], payload[last[0]] = 7, 7
    found = read(contract, payload)
    assert isinstance(found, Violation)
    assert found.field == f"$.{first[0]}"


@every
def test_unknown_fields_are_named_wherever_they_are_and_change_nothing_else(contract: Contract) -> None:
    plain = judged(contract, contract.example)
    assert isinstance(plain, Reading)
    paths = [path for path, _ in objects(sample(contract))]
    assert len(paths) > 1 or contract.channel == "sms"
    for at in range(len(paths)):
        payload = sample(contract)
        path, holder = list(objects(payload))[at]
        holder["surprise"] = {"name": "not looked into"}
        assert read(contract, payload) == plain._replace(extra=(f"{path}.surprise",))


@every
def test_names_that_may_hold_a_person_are_not_repeated(contract: Contract) -> None:
    names = {"08035550142": 1, "tel_08035550142": 1, "my name is Ada": 1, "é": 1, "x" * 41: 1}
    found = read(contract, {**sample(contract), **names})
    assert isinstance(found, Reading)
    assert found.extra == ("$.*",)
    foreign = (json.dumps(sample(contract))[:-1] + ', "@@": "@@"}').encode().replace(b"@@", b"\xff")
    assert judged(contract, foreign) == found, "bytes nobody reads are nobody's fault"
    many = read(contract, {**sample(contract), **{f"f{n}": 1 for n in range(LIMIT + 9)}})
    assert isinstance(many, Reading)
    assert len(many.extra) == LIMIT


@every
def test_no_cut_and_no_change_of_its_bytes_is_too_much(contract: Contract) -> None:
    for end in range(len(contract.example)):
        found = judged(contract, contract.example[:end])
        assert found == Violation("payload_unreadable", "", None, None)
    chance = random.Random(contract.name)
    for _ in range(1500):
        payload = bytearray(contract.example)
        for _ in range(chance.randint(1, 4)):
            payload[chance.randrange(len(payload))] = chance.choice(b'"{}[]:,\\0eN\xff\xc3 a')
        judged(contract, bytes(payload))
        judged(contract, chance.randbytes(chance.randrange(200)))


@every
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_any_value_anywhere_is_read_or_named(contract: Contract, odd: str) -> None:
    for at, (_, holder) in enumerate(objects(sample(contract))):
        for name in [*holder, "surprise"]:
            payload = sample(contract)
            list(objects(payload))[at][1][name] = "@@"
            judged(contract, json.dumps(payload).replace('"@@"', odd).encode())


@every
def test_nesting_is_read_to_a_fixed_depth_wherever_the_reader_stands(contract: Contract) -> None:
    def nested(depth: int) -> bytes:
        value = "1"
        for at in range(depth - 1):
            value = f"[{value}]" if at % 2 else f'{{"a": {value}}}'
        return (json.dumps(sample(contract))[:-1] + f', "surprise": {value}}}').encode()

    assert isinstance(judged(contract, nested(DEPTH)), Reading)
    assert judged(contract, nested(DEPTH + 1)) == Violation("payload_unreadable", "", None, None)
    assert contract.identify(nested(DEPTH), JSON) is not None
    assert contract.identify(nested(DEPTH + 1), JSON) is None
    brackets = {**sample(contract), "surprise": '\\"' + "[{" * DEPTH}
    assert isinstance(read(contract, brackets), Reading), "brackets inside a string nest nothing"


@every
def test_the_id_is_found_when_the_rest_is_broken(contract: Contract) -> None:
    (name,) = required(contract)[0]
    wanted = contract.identify(contract.example, JSON)
    assert wanted is not None
    assert wanted[1] == sample(contract)[name]
    for rest in ('"surprise": NaN', '"surprise": "\\ud800"', '"surprise": 7'):
        payload = f'{{"{name}": "{wanted[1]}", {rest}}}'.encode()
        assert contract.identify(payload, JSON) == wanted
        assert isinstance(judged(contract, payload), Violation)
    for no_id in ("{}", f'{{"{name}": 7}}', f'{{"{name}": ""}}', f'{{"{name}": NaN}}', "[]", '"a"', "", "{"):
        assert contract.identify(no_id.encode(), JSON) is None


@every
def test_of_a_field_sent_twice_the_last_holds_for_id_and_fields_alike(contract: Contract) -> None:
    (name,) = required(contract)[0]
    once = json.dumps(sample(contract))
    for payload in (f'{once[:-1]}, "{name}": "again"}}', f'{{"{name}": 7, "{name}": "again",{once[1:]}'):
        assert isinstance(judged(contract, payload.encode()), Reading)
    found = contract.identify(f'{once[:-1]}, "{name}": "again"}}'.encode(), JSON)
    assert found is not None
    assert found[1] == "again"
    assert contract.identify(f'{once[:-1]}, "{name}": 7}}'.encode(), JSON) is None


def test_every_channel_has_a_door_and_every_contract_says_whose_it_is() -> None:
    assert {at_door(channel).channel for channel in CHANNELS} == set(CHANNELS)
    assert {contract.channel for contract in CONTRACTS.values()} == {"", *CHANNELS}
    for name, contract in CONTRACTS.items():
        assert contract.name == name
        assert contract.owner
        assert contract.describe
        assert name.partition("/")[0] == (contract.channel or "plain")
    for unknown in ("", "fax"):
        with pytest.raises(LookupError):
            at_door(unknown)
