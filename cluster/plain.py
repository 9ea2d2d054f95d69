"""The plain runtime: everything in one process, for small machines, fault tests and clocks that lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from actors.dedup.dedup import Dedup
from actors.worker.local import LocalWorkers
from cluster.home import Home
from cluster.settings import Settings
from cluster.wiring import dedup_config, run_sequencer, worker_config
from pipelines.stages.signature import similarities


def run(
    settings: Settings, until_idle: bool, stopping: Callable[[], bool], give_up: Callable[[], bool]
) -> bool:
    """Run the sequencer here; False when `give_up` ended the wait for another one."""
    Home(settings.home).make_patiently(time.sleep, stopping)
    workers = LocalWorkers(worker_config(settings), Home(settings.home).state / "deciding")
    with closing(Dedup(dedup_config(settings), similarities)) as memory:
        return run_sequencer(settings, workers, memory, until_idle, stopping, give_up)
