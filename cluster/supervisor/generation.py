"""One generation: Ray, the flow and the doors' replicas, in one session of processes; run as a module.

Its supervisor gives it a folder for temporary files, which holds what the generation says of itself: the file
`heartbeat`, touched as long as its driver turns, and `ready`, once the doors answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from catalog.errors import BeejanError
from cluster import console, ray_environment, settings
from cluster.stop import Stop
from cluster.supervisor.record import HEARTBEAT, READY


def main(folder: str, first_port: str, ports: str, proxy_port: str) -> None:
    """Hold everything up until told to stop."""
    console.log_to_stderr(with_times=True)
    stopping = Stop()
    stopping.listen()
    given = settings.read()
    ray_environment.choose(int(first_port), int(ports))
    from cluster import rayed, serving  # which import Ray, and so read the environment

    def opened() -> None:
        serving.open_doors(given, int(proxy_port))
        Path(folder, READY).touch()

    doors = rayed.Doors(opened, serving.close_doors, Path(folder, HEARTBEAT).touch)
    try:
        rayed.run(given, False, stopping, lambda: False, doors, Path(folder))
    except BeejanError as error:
        print(f"beejan: {error}", file=sys.stderr)  # noqa: T201 its supervisor reads it
        sys.exit(console.STOPPED)


if __name__ == "__main__":
    main(*sys.argv[1:])
