"""From a request to an envelope to a receipt: who sends, what arrived, and what the sender is told.

    request -> key -> contract -> body -> events -> ids -> durable -> receipt

Nothing is judged here beyond the id.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from catalog.clock import to_datetime
from catalog.contracts.contract import Contract
from catalog.contracts.faults import too_deep
from catalog.contracts.forms import is_form
from catalog.contracts.registry import CHANNELS, CONTRACTS, at_door
from catalog.control.keys import Key
from catalog.envelope import Envelope
from catalog.errors import BadInput, BeejanError, NotDurable
from serve_apps.credentials import token
from serve_apps.ingest import framing
from serve_apps.ingest.admission import Quotas, Recent, Room
from serve_apps.ingest.body import header, idempotency_key, read_body
from serve_apps.ingest.deps import Deps
from serve_apps.ingest.receipts import NotStored, Stored, not_stored, receipt, stored
from serve_apps.ingest.refusals import refused
from serve_apps.problems import Refused

_AT_ONCE = 500
"""Events of a batch that are wrapped before others get a turn."""
_TYPE_LENGTH = 200
_LOOK_UPS, _LOOK_UP_S = 4, 2.0
"""Look-ups of ids that are used again: so many at once, and so long each. Without one nobody is refused."""

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Sender(NamedTuple):
    """Who sends, and under which agreement."""

    key: Key
    channel: str
    contract: Contract
    content_type: str


class Door:
    """Takes events in. One for each replica: it owns the quotas, and what was seen of late."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._limits = limits = deps.limits
        self._quotas = Quotas(limits.source_rate, limits.source_burst, deps.clock.elapsed_s)
        self._recent = Recent(limits.remembered_ids)
        self._looking_up = asyncio.Semaphore(_LOOK_UPS)
        self.room = Room(limits.held_bytes)
        self.is_draining = False

    def key(self, request: Request) -> Key:
        """The key of a request that may send. Raises Refused: 401, 403, 503 when no keys are known yet."""
        given = token(header(request, b"authorization"))
        if not self._deps.keys.is_loaded:
            raise refused("keys_unread")
        key = self._deps.keys.verify(given, self._deps.clock.now_us())
        if key is None:
            raise refused("key_unknown")
        if key.role != "ingest":
            raise refused("role_denied")
        return key

    async def single(self, request: Request) -> Response:
        """`POST /v1/{channel}/events`: one event; 202 with its receipt once it is durable."""
        sender = self._sender(request)
        form = is_form(sender.content_type)
        if not (_is_json(sender.content_type) or (form and sender.contract.forms)):
            raise refused("type_not_taken")
        own = idempotency_key(request)
        with self.room.lease() as take:
            body = await read_body(request, self._limits.body_bytes, self._limits, take)
            event = self._checked(body) if form else self._checked_object(framing.bare(body))
            self._quotas.spend(sender.key.source, 1)
            envelope = self._envelope(sender, event, own)
            digest = hashlib.sha256(event).digest()
            if await self._is_reused(envelope.event_id, digest):
                # Nothing is stored. In a batch, and while nothing is certain, such an event becomes a row of
                # its own, quarantined.
                raise refused("id_reused")
            await self._store([envelope])
        if envelope.id_origin != "minted":  # those never come again
            self._recent.remember(envelope.event_id, digest, envelope.received_us)
        return Response(_encode(receipt(envelope)), 202, media_type=framing.JSON)

    async def batch(self, request: Request) -> Response:
        """`POST /v1/{channel}/events:batch`: 202 with a result for each event, in order, once all that
        could be taken are durable."""
        sender = self._sender(request)
        kind = _media_type(sender.content_type)
        if kind not in (framing.NDJSON, framing.JSON):
            raise refused("type_not_taken")
        # Each event is kept as what it is, not as the batch it came in.
        sender = sender._replace(content_type=framing.JSON)
        with self.room.lease() as take:
            body = await read_body(request, self._limits.batch_bytes, self._limits, take)
            cut = framing.lines if kind == framing.NDJSON else framing.elements
            events = cut(body, self._limits.batch_events)
            self._quotas.spend(sender.key.source, len(events))
            envelopes: list[Envelope] = []
            results: list[Stored | NotStored] = []
            for number, event in enumerate(events, 1):
                results.append(self._result(sender, event, envelopes))
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            await self._store(envelopes)
        return Response(_encode({"results": results}), 202, media_type=framing.JSON)

    def _result(self, sender: Sender, event: bytes, envelopes: list[Envelope]) -> Stored | NotStored:
        try:
            envelope = self._envelope(sender, self._checked_object(event), None)
        except Refused as error:
            return not_stored(error)
        envelopes.append(envelope)
        return stored(envelope)

    async def _is_reused(self, event_id: str, digest: bytes) -> bool:
        """Whether the warehouse holds, under this id, other bytes that this replica acknowledged.

        That it acknowledged them is not enough: another replica, or this one before a restart, may have taken
        these bytes first, and the sender only sends them again.
        """
        received_us = self._recent.contradicted_us(event_id, digest)
        if received_us is None or self._looking_up.locked():
            return False
        try:
            async with self._looking_up, asyncio.timeout(_LOOK_UP_S):
                found = await self._deps.lookup(event_id)
        except (TimeoutError, BeejanError):
            return False
        return found is not None and found.received_at == to_datetime(received_us)

    def _sender(self, request: Request) -> Sender:
        if self.is_draining:
            raise refused("draining")
        channel = request.path_params["channel"]
        key = self.key(request)
        if channel not in CHANNELS:
            raise refused("not_found")
        if channel not in key.channels:
            raise refused("channel_denied")
        self._quotas.require(key.source)
        content_type = header(request, b"content-type") or ""
        if len(content_type) > _TYPE_LENGTH:
            raise refused("header_invalid", "Content-Type")
        return Sender(key, channel, _contract(request, channel), content_type)

    def _checked_object(self, event: bytes) -> bytes:
        if not framing.is_object(event):
            raise refused("not_an_object")
        if too_deep(self._checked(event)):
            raise refused("nested_too_deep")
        return event

    def _checked(self, event: bytes) -> bytes:
        if len(event) > self._limits.event_bytes:
            raise refused("event_too_large", f"limit: {self._limits.event_bytes} bytes")
        return event

    def _envelope(self, sender: Sender, payload: bytes, own: str | None) -> Envelope:
        event_id, origin = sender.contract.identity(payload, sender.content_type, own, sender.key.source)
        return Envelope(
            event_id=event_id,
            id_origin=origin,
            channel=sender.channel,
            source=sender.key.source,
            received_us=self._deps.clock.now_us(),
            contract=sender.contract.name,
            bundle=self._deps.bundle(),
            content_type=sender.content_type,
            key_id="",
            payload=payload,
        )

    async def _store(self, envelopes: list[Envelope]) -> None:
        if not envelopes:
            return
        try:
            await self._deps.writer.append(envelopes)
        except NotDurable as error:
            if self.is_draining:
                raise refused("draining") from None
            log.error("events could not be made durable and were refused: %s", error)
            raise refused("not_durable") from None
        except BadInput:  # larger than any frame may be
            raise refused("event_too_large") from None
        try:
            self._deps.hint()
        except Exception:  # noqa: BLE001 - the events are durable, and the hint may be lost
            log.warning("a hint was lost; the events will be found all the same")


def _contract(request: Request, channel: str) -> Contract:
    name = request.query_params.get("contract")
    if name is None:
        return at_door(channel)
    contract = CONTRACTS.get(name)
    if contract is None or contract.channel not in ("", channel):
        raise refused("contract_unknown")
    return contract


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(content_type: str) -> bool:
    kind = _media_type(content_type)
    return kind == framing.JSON or (kind.startswith("application/") and kind.endswith("+json"))
