"""Every setting, listed once; the only reader of the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from catalog.errors import BadInput

_HOME = Path("beejan-home")
_STACK = Path("beejan-stack")
_PLACES = "cluster.json"
_PROFILE, _CLUSTER = "BEEJAN_PROFILE", "BEEJAN_CLUSTER"


class Profile(StrEnum):
    """Where a deployment keeps what."""

    EMBEDDED = "embedded"
    CLUSTER = "cluster"


PROFILES = tuple(each.value for each in Profile)


def _setting(name: str, default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"name": name, "meaning": meaning})


# ruff: noqa: RUF009  a dataclass field made by a function of ours is still a field


@dataclass(frozen=True)
class Settings:
    """What the environment says. Pickles, so that every actor runs under the same settings."""

    home: Path = _setting(
        "BEEJAN_HOME", _HOME, "folder of everything, or under `cluster` of what one node keeps for itself"
    )
    profile: str = _setting(_PROFILE, PROFILES[0], "`embedded`: local files; `cluster`: servers")
    cluster: Path = _setting(
        _CLUSTER,
        _STACK / _PLACES,
        "under `cluster`: file of addresses and secrets, mode 0600; the stack's unless set",
    )
    plan_rows: int = _setting("BEEJAN_PLAN_ROWS", 5_000, "frames that make a plan at once")
    plan_age_s: float = _setting("BEEJAN_PLAN_AGE_S", 1.0, "seconds after which fewer frames make one too")
    batch_rows: int = _setting(
        "BEEJAN_BATCH_ROWS", 4_096, "frames a flow worker takes through a stage at once"
    )
    flow_workers: int = _setting("BEEJAN_FLOW_WORKERS", 1, "flow workers under the Ray runtime")
    segment_bytes: int = _setting("BEEJAN_SEGMENT_BYTES", 64 << 20, "size at which a segment is sealed")
    segment_age_s: float = _setting("BEEJAN_SEGMENT_AGE_S", 300.0, "age at which a segment is sealed")
    min_free_bytes: int = _setting(
        "BEEJAN_MIN_FREE_BYTES", 64 << 20, "free disk below which nothing is taken in"
    )
    curate_s: float = _setting("BEEJAN_CURATE_S", 30.0, "seconds between two builds of the curated tables")
    host: str = _setting("BEEJAN_HOST", "127.0.0.1", "address the doors listen on")
    port: int = _setting("BEEJAN_PORT", 8000, "port the doors listen on")
    ingest_replicas: int = _setting("BEEJAN_INGEST_REPLICAS", 1, "replicas of the ingest door")
    checkpoint_plans: int = _setting("BEEJAN_CHECKPOINT_PLANS", 20, "commits between two checkpoints")
    stack: Path = _setting("BEEJAN_STACK", _STACK, "folder of the servers of `stack up`")
    cache: Path = _setting("BEEJAN_CACHE", Path("~/.cache/beejan"), "folder of what `stack up` fetches once")
    trino_tarball: str = _setting("BEEJAN_TRINO_TARBALL", "", "Trino's tarball, unless Maven fetches it")
    failpoint: str = _setting("BEEJAN_FAILPOINT", "", "name:action@hit, for fault tests")

    @property
    def stack_places(self) -> Path:
        """The file of addresses and secrets that `stack up` writes."""
        return self.stack.absolute() / _PLACES

    @property
    def cache_folder(self) -> Path:
        """Where `stack up` keeps what it fetches."""
        return self.cache.expanduser().absolute()

    @property
    def code_version(self) -> str:
        """The installed version of the product."""
        import importlib.metadata  # takes long, and most commands do not want it

        return importlib.metadata.version("beejan")


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from environment variables. Raises BadInput for a value that cannot be one."""
    given: dict[str, Any] = {}
    for spec in fields(Settings):
        name = spec.metadata["name"]
        if environment.get(name):
            kind = type(getattr(Settings, spec.name))
            try:
                value = given[spec.name] = kind(environment[name])
            except ValueError:
                raise BadInput(
                    "not a value of this setting", hint=spec.metadata["meaning"], name=name
                ) from None
            if spec.name == "profile" and value not in PROFILES:
                raise BadInput("no such profile", hint="one of " + ", ".join(PROFILES), name=name)
            least = 0 if spec.name == "min_free_bytes" else 1e-9
            most = 65_535 if spec.name == "port" else sys.float_info.max
            if kind in (int, float) and not least <= value <= most:
                raise BadInput("a setting out of bounds", hint=f"more than 0, at most {most:g}", name=name)
    if "cluster" not in given:
        given["cluster"] = given.get("stack", _STACK) / _PLACES
    return Settings(**given)


def environment(settings: Settings) -> dict[str, str]:
    """These settings for a process in another folder: as environment variables, paths absolute."""
    given = {spec.metadata["name"]: getattr(settings, spec.name) for spec in fields(Settings)}
    return {
        name: str(value.expanduser().absolute() if isinstance(value, Path) else value)
        for name, value in given.items()
    }


def is_chosen() -> bool:
    """Whether this process was told its profile."""
    return bool(os.environ.get(_PROFILE))


def choose(profile: str, cluster: str = "") -> None:
    """Set the profile of this process and of those it starts from now on, and the file that names servers."""
    os.environ[_PROFILE] = profile
    if cluster:
        os.environ[_CLUSTER] = cluster
