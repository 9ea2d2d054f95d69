"""Files nobody here wrote: every record comes out as a payload, or with the fault that it has."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.contracts.reading import Reading
from catalog.contracts.registry import CONTRACTS
from catalog.errors import BadInput
from pipelines import mapping
from pipelines.mapping import Mapping, Record, Times

MAPPINGS = sorted((Path(mapping.__file__).parent / "mappings").glob("*.toml"))
PLAIN = CONTRACTS["plain/1"]
COLUMNS: dict[str, str | tuple[str, ...]] = {"id": "id", "text": "text", "event_time": "at"}


def means(columns: dict[str, str | tuple[str, ...]] = COLUMNS, **further: object) -> Mapping:
    return Mapping("web_form", "shop", columns, **further)  # type: ignore[arg-type]


def found(tmp_path: Path, content: str, how: Mapping) -> list[Record]:
    path = tmp_path / "file.csv"
    path.write_bytes(content.encode())
    return list(mapping.records(path, how))


def payloads(records: list[Record]) -> list[dict[str, object]]:
    return [json.loads(one.payload or b"null") for one in records]


def ids(records: list[Record]) -> list[str]:
    return [PLAIN.identity(one.payload or b"", "application/json", None, "shop")[0] for one in records]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("id,at,text\n1,x,slow\n2,x,down\n", ["slow", "down"]),
        ("\ufeffid,at,text\r\n1,x,slow\r\n", ["slow"]),
        ('id,at,text\n1,x,"two\nlines, one ""cell"""\n2,x,down', ['two\nlines, one "cell"', "down"]),
        ("id,at,text\n\n1,x,slow\n\n\n", ["slow"]),
        ("id,at,text\n1,x,\n2,x,down\n", [None, "down"]),
        (f"id,at,box,text\n1,x,{'9' * 500_000},slow\n2,x,1,down\n", ["slow", "down"]),
        ("Archive: a.zip\n  id: 3\nid,at,text\n1,x,slow\n", ["slow"]),
        ("id,at,text\n1,x,\0\n", ["\0"]),
        ("id,at,text\n", []),
    ],
)
def test_every_record_is_read(tmp_path: Path, content: str, texts: list[str | None]) -> None:
    records = found(tmp_path, content, means(file=mapping.Layout(header="id,")))
    assert [one.number for one in records] == list(range(1, len(texts) + 1))
    assert [one.get("text") for one in payloads(records)] == texts


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("2,x", "2 cells where the header has 3"),
        ("2,x,down,again", "4 cells where the header has 3"),
        ("2,x,slow, yes", "4 cells where the header has 3"),
        ('2,x,"down', "a quote is opened and never closed"),
        ('"2,x,down', "a quote is opened and never closed"),
    ],
)
def test_a_faulty_record_is_named_and_harms_no_other(tmp_path: Path, row: str, fault: str) -> None:
    records = found(tmp_path, f"id,at,text\n1,x,slow\n{row}\n3,x,gone\n", means())
    assert [one.fault for one in records] == [None, fault, None]
    assert [one.payload is None for one in records] == [False, True, False]
    assert payloads(records)[2]["text"] == "gone"


@pytest.mark.parametrize(
    ("rows", "same"),
    [
        ("1,x,slow\n1,x,slow", True),
        ("1,x,slow\n2,x,slow", False),
        (",x,slow\n,x,slow", True),
        (",x,slow\n,x,down", False),
        (",x,slow\n,y,slow", False),
    ],
)
def test_the_id_is_the_column_or_else_the_whole_record(tmp_path: Path, rows: str, same: bool) -> None:
    first, second = ids(found(tmp_path, f"id,at,text\n{rows}\n", means()))
    assert (first == second) == same


@pytest.mark.parametrize(
    ("rows", "same"),
    [
        ("a,b,slow\na,b,down", True),
        ("a,,slow\n,a,slow", False),
        ("a b,,slow\na,b,slow", False),
        (",,slow\n,,down", False),
    ],
)
def test_columns_that_make_an_id_together_keep_their_places(tmp_path: Path, rows: str, same: bool) -> None:
    how = means({"id": ("shop", "at"), "text": "text"})
    first, second = ids(found(tmp_path, f"shop,at,text\n{rows}\n", how))
    assert (first == second) == same


@pytest.mark.parametrize(
    ("written", "reads"),
    [
        ("2025-03-01", "2025-03-01T00:00:00"),
        ("2025-03-01 10:20:30", "2025-03-01T10:20:30"),
        ("2025-03-01 10:20:30-07:00", "2025-03-01T10:20:30-07:00"),
        ("01/03/2025", "01/03/2025"),
    ],
)
def test_times_in_several_forms(tmp_path: Path, written: str, reads: str) -> None:
    forms = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%z")
    how = means(time=Times(forms, "Africa/Nairobi"))
    records = found(tmp_path, f"id,at,text\n1,{written},slow\n", how)
    assert payloads(records) == [{"id": "1", "text": "slow", "event_time": reads, "zone": "Africa/Nairobi"}]
    understood = PLAIN.read(records[0].payload or b"", "application/json")
    assert isinstance(understood, Reading) == (written != reads)


def test_fields_with_parts_joined_columns_and_constants(tmp_path: Path) -> None:
    how = means(
        {"id": "id", "text": ("title", "text"), "place.city": "town"}, constants={"place.country": "KE"}
    )
    records = found(tmp_path, "id,title,text,town\n1,Bad,slow,Thika\n2,,slow,\n", how)
    assert payloads(records) == [
        {"id": "1", "text": "Bad\nslow", "place": {"country": "KE", "city": "Thika"}},
        {"id": "2", "text": "slow", "place": {"country": "KE"}},
    ]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("", "at, id, text"),
        ("id,at\n1,x\n", "text"),
        ("id,at,text,text\n1,x,slow,down\n", "text"),
        ("a page of prose\n", "at, id, text"),
    ],
)
def test_a_file_without_the_columns_is_refused(tmp_path: Path, content: str, names: str) -> None:
    with pytest.raises(BadInput) as refused:
        found(tmp_path, content, means())
    assert refused.value.hint == names


def test_a_file_without_its_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no line of the file begins"):
        found(tmp_path, "1,x,slow\n", means(file=mapping.Layout(header="id,")))


@pytest.mark.parametrize(
    "wrong",
    [
        'channel = "fax"',
        'time = {zone = "Mars/Base"}',
        'file = {encoding = "utf-99"}',
        'file = {delimiter = ""}',
        'constants = {place = "here", "place.city" = "Thika"}',
        "unheard_of = 1",
        "columns = 3",
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, wrong: str) -> None:
    lines = {"channel": '"sms"', "source": '"shop"', "columns": '{text = "text"}'}
    name, _, value = wrong.partition(" = ")
    lines[name] = value
    path = tmp_path / "mapping.toml"
    path.write_text("\n".join(f"{key} = {each}" for key, each in lines.items()))
    with pytest.raises(BadInput):
        mapping.load(path)
    path.write_text('channel = "sms"\nsource = "shop"\ncolumns = {text = "text"}')
    assert mapping.load(path).channel == "sms"


@pytest.mark.parametrize("path", MAPPINGS, ids=[path.stem for path in MAPPINGS])
def test_the_mappings_that_come_along_can_be_used(path: Path) -> None:
    how = mapping.load(path)
    at = datetime(2025, 3, 1, tzinfo=UTC).strftime(how.time.formats[0])
    columns = [
        name for field in how.columns.values() for name in ([field] if isinstance(field, str) else field)
    ]
    cells = {column: at if column == how.columns["event_time"] else "words" for column in columns}
    understood = PLAIN.read(mapping.payload(cells, how), "application/json")
    assert isinstance(understood, Reading)
    assert understood.extra == ()
