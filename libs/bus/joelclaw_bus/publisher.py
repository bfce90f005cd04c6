"""Sending events: validated by their model, appended once per id."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from joelclaw_bus.batch import ToSend, in_order, portions
from joelclaw_bus.errors import BatchCutShort, BusError, EventInvalid
from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.slot_calls import EventCalls, Published, ToPublish
from joelclaw_bus.store import Store
from joelclaw_contracts import ContractError, Envelope, EventModel

EVIDENCE = "otel/event"
EVIDENCE_LONGEST = 100_000
REGISTER_AGAIN = 60.0  # seconds: a flushed store forgets its slots


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes events. `source` names the producer in their envelopes; `wall`: its clock, seconds since the epoch."""

    store: Store
    source: str = ""
    limits: Limits = Limits()
    wall: Callable[[], float] = time.time
    _known: dict[str, float] = field(default_factory=dict)
    _slots: dict[str, Slot] = field(default_factory=dict)

    @property
    def _calls(self) -> EventCalls:
        return EventCalls(self.store, self.limits)

    async def send(
        self, event: EventModel, *, id: str | None = None, at_ms: int = 0, traceparent: str | None = None
    ) -> Published:
        """Append an event, now or at `at_ms` of the server's clock. EventInvalid: too large, or no id.

        With an `id` it is appended at most once per dedupe window: the answer says whether it was a duplicate.
        """
        return await self.send_raw(event.event_name, event.to_json(), id=id, at_ms=at_ms, traceparent=traceparent)

    async def send_raw(
        self,
        name: str,
        data: bytes,
        *,
        id: str | None = None,
        at_ms: int = 0,
        traceparent: str | None = None,
        source: str | None = None,
    ) -> Published:
        """The same with a payload that the caller answers for."""
        to_publish = self._to_publish(name, data, id, at_ms, traceparent, source or self.source)
        slot = await self._ready(name, waits=at_ms > 0)
        return await self._calls.publish(
            slot,
            to_publish.fields,
            event_id=to_publish.event_id,
            at_ms=at_ms,
            longest=EVIDENCE_LONGEST if name == EVIDENCE else 0,
        )

    async def send_many(self, batch: Sequence[ToSend]) -> list[Published]:
        """Append many, each as `send` would: their answers, in the batch's order.

        All are looked at before the first is sent: EventInvalid names the index of one that can't be, and then none is
        stored. Those of one stream are appended in their order, a hundred (or 256 KiB) in one step of the store. When a
        step fails, nothing is sent after it: BatchCutShort says at which event, and what is stored. With ids the whole
        batch may then be sent again.
        """
        ready: list[tuple[str, ToPublish]] = []
        for index, one in enumerate(batch):
            name = one.event.event_name
            try:
                what = self._to_publish(name, one.event.to_json(), one.id, one.at_ms, one.traceparent, self.source)
            except EventInvalid as error:
                raise EventInvalid(name, f"number {index} of the batch (from 0) {error.problem}") from error
            ready.append((name, what))
        done: dict[int, Published] = {}
        for portion in portions(ready):
            try:
                slot = await self._ready(portion.name, waits=any(e.at_ms for e in portion.events.values()))
                longest = EVIDENCE_LONGEST if portion.name == EVIDENCE else 0
                answers = await self._calls.publish_each(slot, list(portion.events.values()), longest=longest)
            except BusError as error:
                raise BatchCutShort(next(iter(portion.events)), portion.name, len(ready), done, error) from error
            refused = dict[int, BusError]()
            for index, answer in zip(portion.events, answers, strict=True):
                if isinstance(answer, Published):
                    done[index] = answer
                else:
                    refused[index] = answer
            for index, cause in refused.items():
                raise BatchCutShort(index, portion.name, len(ready), done, cause) from cause
        return in_order(done)

    def _to_publish(
        self, name: str, data: bytes, id: str | None, at_ms: int, traceparent: str | None, source: str
    ) -> ToPublish:
        """EventInvalid: too large, or a field that can't be one."""
        if len(data) > self.limits.event_bytes:
            limit = self.limits.event_bytes
            raise EventInvalid(name, f"has {len(data)} bytes; {limit} are allowed: send a reference instead")
        # What waits needs a name of its own, so that it can be found, and promoted once.
        try:
            envelope = Envelope(
                data=data,
                id=id if id is not None else (uuid.uuid4().hex if at_ms else None),
                ts=int(self.wall() * 1000),
                source=source or None,
                traceparent=traceparent or None,
            )
        except ContractError as error:
            raise EventInvalid(name, str(error)) from error
        return ToPublish(envelope.to_fields(), envelope.id or "", at_ms)

    async def _ready(self, name: str, *, waits: bool) -> Slot:
        """The slot of a stream, registered."""
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = self.store.keys.slot(name)
        await self.register(slot)
        if waits:  # a stream that nobody registered would have no promoter, and the event would wait for ever
            await self.store.write("HSETNX", self.store.keys.slots, name, int(self.wall() * 1000))
        return slot

    async def register(self, slot: Slot) -> None:
        """Make the slot known, so that somebody promotes and trims it though nobody subscribes."""
        if time.monotonic() - self._known.get(slot.name, float("-inf")) > REGISTER_AGAIN:
            await self.store.call("HSETNX", self.store.keys.slots, slot.name, int(self.wall() * 1000))
            self._known[slot.name] = time.monotonic()

    async def send_item(self, item: OutboxItem) -> Published:
        """Deliver an outbox item of kind `event`."""
        return await self.send_raw(
            item.target,
            item.data.encode(),
            id=item.event_id,
            at_ms=item.at_ms,
            traceparent=item.traceparent or None,
            source=item.source or None,
        )


def item_of(
    event: EventModel, *, id: str, source: str = "", at_ms: int = 0, traceparent: str = "", now_ms: int = 0
) -> OutboxItem:
    """The outbox item that sends an event once: `id` must be the same however often the sender decides it."""
    return OutboxItem(
        id=f"event:{event.event_name}:{id}",
        kind="event",
        target=event.event_name,
        event_id=id,
        data=event.to_json().decode(),
        at_ms=at_ms,
        source=source,
        traceparent=traceparent,
        created_ms=now_ms,
    )


def release_item(
    member: str,
    function: str,
    key: str,
    claim: str,
    ttl_ms: int,
    *,
    most: int = 0,
    at_the_end: bool = False,
    by: str = "",
) -> OutboxItem:
    """The item that gives a permit back. Its id carries the claim: each park or end releases once.

    at_the_end: whichever begin took it. A later begin of the same run may end it without having asked again.
    by: the begin whose handler has stopped ('' not known).
    """
    return OutboxItem(
        id=f"release:{member}:{claim}",
        kind="release",
        target=function,
        run=member,
        permit=key,
        ttl_ms=ttl_ms,
        claim="" if at_the_end else claim,
        by=by,
        most=most,
    )
