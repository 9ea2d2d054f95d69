"""The checker sees what it is there to see: a healthy home is green, each damage is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.faults import check, process, workload
from benchmarks.faults.workload import Line
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import COMPLAINTS, EVENTS, KPI_DAILY, TableSpec
from cluster.home import Home
from cluster.settings import Settings

pytestmark = pytest.mark.slow

LINES = workload.lines(seed=2, count=30)


class Place:
    """A home to which every line was sent, idle."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.settings: Settings = workload.settings(folder / "home")
        self.receipts = folder / "receipts"
        process.append(self.settings, LINES, range(len(LINES)), self.receipts)
        process.run(self.settings)

    def findings(self, sent: list[Line] = LINES) -> list[str]:
        return check.check(self.settings, sent, self.receipts).findings


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Made once; its files name each other by absolute path, so that a copy has to be where it was."""
    made = Place(tmp_path_factory.mktemp("check") / "place")
    shutil.copytree(made.folder, made.folder.with_name("kept"))
    return made


@pytest.fixture
def place(template: Place) -> Place:
    shutil.rmtree(template.folder)
    shutil.copytree(template.folder.with_name("kept"), template.folder)
    return template


def doubled(place: Place) -> None:
    table = Lake(local(place.settings.home)).store.load(EVENTS.name)
    rows = table.scan().to_arrow().cast(EVENTS.arrow_schema)
    table.append(rows.slice(0, 1))


def lost(place: Place) -> None:
    table = Lake(local(place.settings.home)).store.load(EVENTS.name)
    rows = table.scan().to_arrow().cast(EVENTS.arrow_schema)
    table.overwrite(rows.slice(1))


def unlinked(place: Place) -> None:
    lake = Lake(local(place.settings.home))
    next(Path(path).unlink() for path in _manifest_lists(lake))


def promised(place: Place) -> None:
    with place.receipts.open("a") as file:
        file.write(f'[0, "{"0" * 32}"]\n')


def hidden(place: Place) -> None:
    (Home(place.settings.home).raw / ".left.ndjson.zst").touch()


def waiting(place: Place) -> None:
    process.append(place.settings, LINES, [0], place.receipts)


def miscurated(place: Place) -> None:
    _less_a_row(place, COMPLAINTS)


def miscounted(place: Place) -> None:
    _less_a_row(place, KPI_DAILY)


def _less_a_row(place: Place, spec: TableSpec) -> None:
    table = Lake(local(place.settings.home)).store.load(spec.name)
    table.overwrite(table.scan().to_arrow().cast(spec.arrow_schema).slice(1))


def _manifest_lists(lake: Lake) -> list[str]:
    snapshots = lake.store.load(EVENTS.name).metadata.snapshots
    return [snapshot.manifest_list.removeprefix("file://") for snapshot in snapshots[:1]]


def test_a_healthy_home_has_no_findings(place: Place) -> None:
    assert place.findings() == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (doubled, "ids are there more than once"),
        (lost, "has 0 rows"),
        (unlinked, "missing files"),
        (miscurated, "curated.complaints is not what the events say"),
        (miscounted, "curated.kpi_daily is not what the events say"),
        (promised, "got a receipt for another id"),
        (hidden, "raw files and manifests differ"),
        (waiting, "left in the log"),
    ],
)
def test_damage_is_told(place: Place, damage: Callable[[Place], None], told: str) -> None:
    damage(place)

    assert any(told in found for found in place.findings())


def test_a_row_that_nobody_sent_is_told(place: Place) -> None:
    assert any("was never sent" in found for found in place.findings([*LINES[:-1], LINES[0]]))


def test_a_row_that_became_something_else_is_told(place: Place) -> None:
    other = [line._replace(reason="stage_crash") for line in LINES]

    assert any("not stage_crash" in found for found in place.findings(other))


def test_near_duplicates_that_are_not_linked_are_told(place: Place) -> None:
    other = [line._replace(family=0) if line.family is not None else line for line in LINES]

    assert any("not linked as its family is" in found for found in place.findings(other))
