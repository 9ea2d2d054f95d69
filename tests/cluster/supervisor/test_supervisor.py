"""What the supervisor does about its proxy and its folders, without Ray."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

from cluster import rayed
from cluster.stack.stack import free_ports
from cluster.supervisor.supervisor import Supervisor
from tests.stacks import settings_of


def test_a_port_for_figures_that_another_took_is_given_up(tmp_path: Path, own_ports: None) -> None:
    home = dataclasses.replace(settings_of(tmp_path / "no stack"), home=tmp_path, port=free_ports(1)[0])
    watching = Supervisor(home)
    taken = watching._record.metrics_port
    with socket.create_server(("127.0.0.1", taken)):
        watching._write_proxy()
        watching._keep_proxy()
        assert watching._proxy.process is None
        assert watching._record.metrics_port != taken
        watching._keep_proxy()
    try:
        assert watching._proxy.answers()
    finally:
        watching.end(drain=False)


def test_a_generation_keeps_its_files_in_the_folder_it_was_given(tmp_path: Path) -> None:
    with rayed._temporary(tmp_path) as given:
        assert given == tmp_path
    with rayed._temporary(None) as own:
        assert Path(own).stat().st_mode & 0o077 == 0
    assert not Path(own).exists()
    assert tmp_path.exists()
