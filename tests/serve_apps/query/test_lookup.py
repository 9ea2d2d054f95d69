import asyncio

from serve_apps.committed import Committed
from serve_apps.query.engine.port import QueryEngine
from serve_apps.query.lookup import Lookup


def test_finds_what_became_of_an_event(engine: QueryEngine) -> None:
    async def both() -> list[Committed | None]:
        lookup = Lookup(engine)
        return [await lookup.find(f"{number:032x}") for number in (10, 99)]

    held, unknown = asyncio.run(both())
    assert unknown is None
    assert held is not None
    assert (held.disposition, held.reason, held.commit_seq) == ("quarantined", "event_time_naive", 1)
    assert held.received_at is not None
    assert held.received_at.tzinfo is not None
