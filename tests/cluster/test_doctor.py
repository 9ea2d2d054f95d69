"""What `beejan doctor` finds, and what it calls a finding."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import doctor
from cluster.doctor import KEY, NONE, Listener
from cluster.settings import Settings
from cluster.stack.stack import free_ports
from tests.cluster.test_cli import beejan
from tests.homes import small


@pytest.fixture
def settings(tmp_path: Path, own_ports: None) -> Settings:
    """A home that is nobody else's, and a port that is free."""
    (tmp_path / "home").mkdir(mode=0o700)
    return small(tmp_path / "home", port=free_ports(1)[0])


def failed(settings: Settings) -> dict[str, str]:
    """What is to be mended."""
    return {each.name: each.detail for each in doctor.examine(settings).checks if not each.ok}


def test_a_machine_that_can_hold_the_product_has_no_finding(settings: Settings) -> None:
    assert failed(settings) == {}
    assert doctor.examine(settings).listeners == []


def test_a_taken_port_an_open_home_and_a_full_disk_are_findings(settings: Settings) -> None:
    settings.home.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = failed(replace(settings, port=other.getsockname()[1], min_free_bytes=1 << 60))
    assert set(found) == {"port", "permissions", "disk"}
    assert "pid" in found["port"]  # who holds it
    assert "chmod 700" in found["permissions"]


def test_what_answers_other_machines_without_a_credential_is_a_finding(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one = Listener("0.0.0.0:9101", "figures", NONE)
    closed = [Listener("127.0.0.1:9102", "figures", NONE), Listener(f"{settings.host}:80", "doors", KEY)]
    monkeypatch.setattr(doctor, "listeners", lambda _: [open_one, *closed])
    assert "0.0.0.0:9101" in failed(settings)["listeners"]
    monkeypatch.setattr(doctor, "listeners", lambda _: closed)
    assert failed(settings) == {}


def test_a_finding_is_exit_code_1(settings: Settings) -> None:
    settings.home.chmod(0o755)
    done = beejan(settings.home, "doctor", "--json", BEEJAN_PORT=str(settings.port))
    told = {each["name"]: each["ok"] for each in json.loads(done.stdout)["checks"]}
    assert (done.returncode, told["permissions"], told["port"]) == (1, False, True)
