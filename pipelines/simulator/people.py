"""Customers, where they live, and the numbers they carry."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A town or area people name, the state it lies in, and the cell that serves it."""

    city: str
    state: str
    cell_id: str


class Person(NamedTuple):
    """A customer; `msisdn` is digits with the country code, `register` how they speak."""

    name: str
    msisdn: str
    email: str
    handle: str
    account: str
    register: str
    home: Place


_SPELLINGS = (
    "0{0}{1}{2}", "+234{0}{1}{2}", "234{0}{1}{2}", "0{0} {1} {2}", "0{0}-{1}-{2}", "+234 {0} {1} {2}",
    "(0{0}) {1} {2}", "0{0}{1}{2}", "234-{0}-{1}-{2}", "0{0}.{1}.{2}", "+234-{0}{1}{2}", "0{0} {1}{2}",
)  # fmt: skip


def places(states: dict[str, Any]) -> dict[Place, float]:
    """Every place and its share of the customers."""
    return {
        Place(city, state, f"621-50-{1000 + number}-{20_000 + 100 * i}"): share / len(cities)
        for number, (state, (share, *cities)) in enumerate(states.items())
        for i, city in enumerate(cities)
    }


def person(rng: Random, names: dict[str, list[str]], home: Place, register: str) -> Person:
    """Somebody new."""
    first, last, number = rng.choice(names["first"]), rng.choice(names["last"]), int(rng.random() * 10_000)
    return Person(
        name=f"{first} {last}",
        msisdn=f"234{rng.choice(names['prefixes'])[1:]}{int(rng.random() * 1e7):07}",
        email=f"{first}{rng.choice(('', '.', '_'))}{last}{number}@{rng.choice(names['mail'])}".lower(),
        handle=f"{first}{last[:4]}{number}" if rng.random() < 0.5 else f"{last}_{number}".lower(),
        account=digits(rng, 10),
        register=register,
        home=home,
    )


def digits(rng: Random, count: int) -> str:
    """So many digits, the first never zero."""
    return str(int((1 + rng.random() * 9) * 10 ** (count - 1)))


def luhn(number: str) -> str:
    """The number with its check digit behind it."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in number[::-2])
    return f"{number}{-(doubled + sum(map(int, number[-2::-2]))) % 10}"


def identifier(rng: Random, kind: str, who: Person) -> str:
    """A `kind` of identifier as people write it; at times the phone is another person's. Raises KeyError."""
    match kind:
        case "phone":
            msisdn = who.msisdn if rng.random() < 0.6 else f"234803{digits(rng, 7)}"
            return rng.choice(_SPELLINGS).format(msisdn[3:6], msisdn[6:9], msisdn[9:])
        case "card":
            number = luhn(f"{rng.choice(('4187', '5199', '5399', '5061'))}{digits(rng, 11)}")
            return rng.choice(("", "", " ", "-")).join(number[i : i + 4] for i in (0, 4, 8, 12))
        case "imei":
            return luhn(f"35{digits(rng, 12)}")
        case "account":
            return digits(rng, 10)
    return {"email": who.email, "name": who.name}[kind]
