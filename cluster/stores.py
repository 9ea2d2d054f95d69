"""The stores of one deployment, opened. Apart from `wiring`, which loads what decides, too."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from catalog.clock import Clock, SystemClock
from catalog.control.keys import Keys
from catalog.control.plans import PlanStore
from catalog.control.schema import open_control
from catalog.lake.head import Head, stored_head
from catalog.lake.place import LakePlace
from catalog.log.local import LocalLog
from catalog.log.objects import TAKEOVER_S, ObjectLog
from catalog.log.port import Log
from cluster.home import Home
from cluster.places import places
from cluster.settings import Settings

if TYPE_CHECKING:
    from catalog.lake.commit import Lake
    from catalog.raw import Raw

EVENTS = "structured.events"


class Stores(NamedTuple):
    """Every store of one deployment, opened."""

    home: Home
    clock: Clock
    log: Log
    raw: Raw
    plans: PlanStore
    place: LakePlace

    def lake(self) -> Lake:
        """Open the lake; apart from the rest, since some commands need none."""
        from catalog.lake.commit import Lake

        return Lake(self.place)

    def head(self) -> Head:
        """What the table of events says about itself; in local files without loading the table library."""
        if "://" not in self.place.warehouse:
            return stored_head(self.place, EVENTS)
        with closing(self.lake()) as lake:
            return lake.head(EVENTS)


def open_stores(settings: Settings) -> Stores:
    """Open the log, the raw layer and the control database, creating what is missing."""
    from catalog.raw import Raw

    home, at = Home(settings.home), places(settings)
    log, clock = open_log(settings)
    plans = PlanStore(open_control(at.control_url))
    return Stores(home, clock, log, Raw(at.within("raw")), plans, at.lake)


def open_log(settings: Settings) -> tuple[Log, Clock]:
    """The log alone: a door needs nothing else to acknowledge."""
    home, at, clock = Home(settings.home), places(settings), SystemClock()
    home.make()
    if at.is_local:
        return LocalLog(home.log, clock), clock
    # A segment that stands still is anybody's, long after its writer would have sealed it.
    takeover_s = max(TAKEOVER_S, 3 * settings.segment_age_s)
    return ObjectLog(at.within("log"), clock, takeover_s), clock


def open_keys(settings: Settings) -> Keys:
    """The keys of the doors."""
    Home(settings.home).make()
    return Keys(open_control(places(settings).control_url), SystemClock())
