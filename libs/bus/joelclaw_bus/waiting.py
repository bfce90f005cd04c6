"""One begin's view of what its run waits for: where the wait stands, and how the run rests until it ends.

A wait lies in the run's record from its park on (`w:STEP`, and `a:STEP:NUMBER` for each event that came); when it has
ended, one journaled step takes the place of both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.awaited import Awaited, Spec, Wait, decode_arrival, encode_arrival, entry_after, first_entry_of
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import Reject
from joelclaw_bus.event import Event
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.wait_calls import Found
from joelclaw_bus.waits import Waits

GRACE_MS = 60_000
"""So long an awaited slot remembers a wait after its end: the run's own slot decides when it is over."""
LEEWAY_MS = 1_000
"""So much a server's clock may have been set back, and what came meanwhile is still found."""
SLACK_MS = 100
"""So much our own reckoning of the server's time may lag behind it: no clock was set back then."""
LAST = 2**64 - 1
MOST_AWAITED = 20
"""Events of one wait: each may be half a megabyte, and lies in the run's record until all have come."""

Arrival = dict[str, Any]


class Park(BaseException):
    """Leaves the handler: the run rests until `at_ms` (or for `delay_ms`), or until what it `waits_for` comes, which
    `items` register. BaseException: no handler may catch it."""

    def __init__(
        self, step: str, delay_ms: int, at_ms: int, waits_for: str = "", items: tuple[OutboxItem, ...] = ()
    ) -> None:
        self.step, self.delay_ms, self.at_ms = step, delay_ms, at_ms
        self.waits_for, self.items = waits_for, items
        super().__init__(step)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`declared`: the events that the function may wait for; `record`: the run's fields as this begin found them;
    `entry`: of the event that began the run; `now_ms`: the server's time of this begin, `clock` its time now."""

    delivery: Delivery
    waits: Waits
    declared: frozenset[str]
    record: Mapping[bytes, bytes]
    entry: str
    now_ms: int
    clock: Callable[[], int]

    async def outcome(
        self, step: str, awaited: Sequence[Awaited[Any]], *, all: bool, timeout: float, look_back: float | None
    ) -> list[Arrival | None]:
        """What has come, for each awaited event; Park while it has to wait. ValueError: it can't wait like this."""
        kept = self.record.get(f"w:{step}".encode())
        if kept is None:
            since = tuple(self.since(a, look_back) for a in awaited)
            spec = Spec(
                all, tuple(a.event for a in awaited), tuple(dict(a.match) for a in awaited), since, _but(awaited)
            )
            self._check(awaited)
            raise self._park(step, awaited, spec, max(0, round(timeout * 1000)), 0)
        ends_ms, spec = Spec.decode(kept)
        if spec.events != tuple(a.event for a in awaited) or spec.matches != tuple(dict(a.match) for a in awaited):
            waits_for = ", ".join(f"{e} {dict(m)}" for e, m in zip(spec.events, spec.matches, strict=True))
            raise ValueError(f"it waits for {waits_for}; what a run waits for may not change under it")
        came = [self._noted(step, spec, number) for number in range(len(awaited))]
        if _is_over(spec, came):
            return came
        if self.now_ms < ends_ms:
            raise self._park(step, awaited, spec, 0, ends_ms)
        # Its time is over. What came in time counts all the same, if only nobody was there to tell the run.
        for number, noted in enumerate(came):
            if noted is None and not _is_over(spec, came):
                wait = self._wait(step, awaited, spec, number, ends_ms)
                found = await self.waits.look(wait, register=False, to=f"{ends_ms}-{LAST}")
                came[number] = json.loads(encode_arrival(found.entry, found.fields)) if found else None
        return came

    def fields(self, step: str, awaited: Sequence[Awaited[Any]]) -> list[str]:
        """The record's fields of a wait, void once it is journaled."""
        return ["wait", f"w:{step}", *(f"a:{step}:{number}" for number in range(len(awaited)))]

    def events(
        self, step: str, awaited: Sequence[Awaited[Any]], came: Sequence[Arrival | None]
    ) -> list[Event[Any] | None]:
        """What came, read into its models."""
        return [self._event(step, a, arrival) if arrival else None for a, arrival in zip(awaited, came, strict=True)]

    def _event(self, step: str, awaited: Awaited[Any], arrival: Arrival) -> Event[Any]:
        slot = self.waits.calls.keys.slot(awaited.event)
        event = self.waits.read(slot, Found(*decode_arrival(arrival)))
        if event is None:  # it did when it came: the model was changed since
            raise Reject(f"step {step!r}: the {awaited.event} that it waited for does not validate any more")
        return event

    def _noted(self, step: str, spec: Spec, number: int) -> Arrival | None:
        """What has come. An older worker's matcher does not know of what was heard already: that has not come, and the
        run waits on; its next park strikes it from the record."""
        raw = self.record.get(f"a:{step}:{number}".encode())
        arrival: Arrival | None = json.loads(raw) if raw else None
        return None if arrival and arrival["entry"] in spec.heard(number) else arrival

    def _check(self, awaited: Sequence[Awaited[Any]]) -> None:
        if not 1 <= len(awaited) <= MOST_AWAITED:
            raise ValueError(f"it waits for {len(awaited)} events; name 1 to {MOST_AWAITED}")
        for a in awaited:
            if a.event not in self.declared:
                raise ValueError(f"{a.event} is not declared; give the function awaits=[{a.model.__name__}]")

    def since(self, awaited: Awaited[Any], look_back: float | None) -> str:
        """The first entry that counts."""
        if look_back is not None:
            return first_entry_of(self.clock() - look_back * 1000)
        if awaited.event == self.delivery.slot.name:
            return entry_after(self.entry)  # an event can't be what its own run waits for
        # A server whose clock was set back numbers a stream on from its last entry, and others by the clock: then what
        # comes after our event may have an earlier id than it. What tells is when the run began: now, in a first
        # begin; else what its record says, which knows when the begin was that made it.
        entry_ms, created = int(self.entry.partition("-")[0]), self.record.get(b"created", b"")
        began_ms = min(int(created), self.now_ms) if created.isdigit() else self.now_ms
        return first_entry_of(entry_ms if entry_ms <= began_ms + SLACK_MS else began_ms - LEEWAY_MS)

    def _park(self, step: str, awaited: Sequence[Awaited[Any]], spec: Spec, delay_ms: int, at_ms: int) -> Park:
        ends_ms = at_ms or self.clock() + delay_ms
        return Park(step, delay_ms, at_ms, spec.encode(), tuple(self.registrations(step, awaited, spec, ends_ms)))

    def registrations(self, step: str, awaited: Sequence[Awaited[Any]], spec: Spec, ends_ms: int) -> list[OutboxItem]:
        """What carries the waits to where their events come."""
        waits = [self._wait(step, awaited, spec, number, ends_ms) for number in range(len(awaited))]
        return [
            OutboxItem(id=f"await:{w.id}", kind="await", target=w.event, event_id=w.id, data=w.encode()) for w in waits
        ]

    def _wait(self, step: str, awaited: Sequence[Awaited[Any]], spec: Spec, number: int, ends_ms: int) -> Wait:
        d = self.delivery
        form, key = awaited[number].form_and_key()
        return Wait(
            *(d.slot.name, d.run, d.function, step, number, spec.events[number], form, key, spec.since[number]),
            ends_ms=ends_ms + GRACE_MS,
            hint=awaited[number].hint,
            but=spec.heard(number),
        )


def _but(awaited: Sequence[Awaited[Any]]) -> tuple[tuple[str, ...], ...]:
    return tuple(a.but for a in awaited) if any(a.but for a in awaited) else ()


def _is_over(spec: Spec, came: Sequence[object | None]) -> bool:
    """Whether what came ends the wait."""
    there = [arrival is not None for arrival in came]
    return all(there) if spec.all else any(there)
