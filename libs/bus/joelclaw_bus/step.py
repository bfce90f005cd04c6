"""The handler's hand on its journal: run, sleep, sleep_until, send_event, wait_for_event.

A step's result is recorded before the handler goes on, and given back on every later begin. Step names are unique in
a run: they are how a result is found again, so they must not depend on clock or chance.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast, overload

import anyio.to_process
from pydantic import BaseModel

from joelclaw_bus.awaited import Arrived, Awaited, Plain
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import BusError, Reject
from joelclaw_bus.event import Event
from joelclaw_bus.observer import Observer, StepRecorded
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.publisher import item_of
from joelclaw_bus.run_calls import LimitReached, Refused, RunCalls
from joelclaw_bus.run_names import OWN_STEPS
from joelclaw_bus.waiting import Park, Waiting
from joelclaw_contracts import ContractError, EventModel, normal_id

T = TypeVar("T")
M = TypeVar("M", bound=EventModel)
Recorded = bytes | LimitReached | Refused
Insist = Callable[[Callable[[], Awaitable[Recorded]]], Awaitable[Recorded]]


class LeaseGone(BaseException):
    """Leaves the handler: this delivery is no longer ours, and nothing more of it may be written."""

    def __init__(self, operation: str, why: str) -> None:
        self.operation, self.why = operation, why
        super().__init__(f"{operation}: {why}")


class StepInvalid(BusError):
    def __init__(self, run: str, step: str, problem: str) -> None:
        super().__init__(f"run {run}, step {step!r}: {problem}")


@dataclass
class Step:
    """One begin of one run. `attempt` counts engine attempts from 0; `now_ms` is the server's time of this begin."""

    run_id: str
    attempt: int
    now_ms: int
    _delivery: Delivery
    _calls: RunCalls
    _observer: Observer
    _posted: Callable[[OutboxItem], None]
    _insist: Insist
    _journal: dict[str, bytes]
    _waiting: Waiting
    _clock: Callable[[], int]
    """The server's time now: a step before may have taken long since the begin."""
    _traceparent: str = ""
    _seen: set[str] = field(default_factory=set)

    @property
    def key(self) -> str:
        """A key for idempotent receivers: the same for every begin of this run, and no other run's."""
        return self._delivery.key

    @overload
    async def run(self, name: str, act: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T: ...

    @overload
    async def run(self, name: str, act: Callable[..., T], *args: Any, **kwargs: Any) -> T: ...

    async def run(self, name: str, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do `act(*args, **kwargs)` once, and journal what it returns (JSON, or a pydantic model as its JSON).

        If the process dies between the act and its record, the act is done again: make it idempotent by `key`.
        """
        self._use(name)
        if name in self._journal:
            return json.loads(self._journal[name])
        began = time.monotonic()
        result = act(*args, **kwargs)
        value = await result if inspect.isawaitable(result) else result
        return json.loads(await self._record(name, _to_json(self.run_id, name, value), None, began))

    async def run_in_child(self, name: str, act: Callable[..., T], *args: Any) -> T:
        """The same in a process of its own, ended with the run: for work that can hold the GIL (a long regular
        expression, a C extension), which would silence the leases of everything else here.

        `act`, its arguments and its result must be picklable, so `act` is a function of a module.
        """
        return await self.run(name, anyio.to_process.run_sync, act, *args, cancellable=True)

    async def sleep(self, name: str, seconds: float) -> None:
        """Rest for `seconds` of the server's clock, however many restarts lie between. Holds no slot meanwhile."""
        self._use(name)
        if name not in self._journal:
            raise Park(name, max(0, round(seconds * 1000)), 0)
        self._rest_on(name)

    async def sleep_until(self, name: str, at_ms: int) -> None:
        """Rest until `at_ms` of the server's clock."""
        self._use(name)
        if name not in self._journal and at_ms > self.now_ms:
            raise Park(name, 0, at_ms)
        self._rest_on(name)

    async def send_event(
        self, name: str, event: EventModel, *, id: str | None = None, at_ms: int = 0, delay: float = 0
    ) -> str:
        """Send an event once, now or later; its id. Journaled with the item that carries it, in one atomic step."""
        self._use(name)
        if name in self._journal:
            return cast(str, json.loads(self._journal[name])["sent"])
        try:
            event_id = normal_id(f"{self.key}:{name}" if id is None else id)
        except ContractError as error:
            raise StepInvalid(self.run_id, name, str(error)) from error
        item = item_of(
            event,
            id=event_id,
            source=self._delivery.function,
            at_ms=at_ms or (self._clock() + round(delay * 1000) if delay else 0),
            traceparent=self._traceparent,
            now_ms=self.now_ms,
        )
        if len(item.data) > self._calls.limits.event_bytes:
            raise Reject(f"step {name!r}: event {event.event_name} has {len(item.data)} bytes")
        await self._record(name, json.dumps({"sent": event_id}).encode(), item, time.monotonic())
        return event_id

    async def wait_for_event(
        self,
        name: str,
        model: type[M],
        *,
        match: Mapping[str, Plain] | None = None,
        timeout: float,
        look_back: float | None = None,
        but: Sequence[Event[M]] = (),
    ) -> Event[M] | None:
        """Rest until an event of `model` comes whose data has the values of `match`; None after `timeout` seconds.
        A field counts as it was sent: one that its producer left to its default has no value to match.

        What came already counts, from the event that began this run on, or from `look_back` seconds ago, in whatever
        order; `but` not those that earlier waits gave. The function names the model in its `awaits=[…]`. Holds no slot
        meanwhile, as a sleep.
        """
        awaited = Awaited(model, match or {}, tuple(event.entry for event in but))
        return (await self._wait(name, [awaited], False, timeout, look_back))[0]

    async def wait_for_first(
        self, name: str, awaited: Sequence[Awaited[Any]], *, timeout: float, look_back: float | None = None
    ) -> Arrived[Event[Any]] | None:
        """The same for several events, of which the first to come ends it; the others are called off."""
        came = await self._wait(name, awaited, False, timeout, look_back)
        return next((Arrived(i, e) for i, e in enumerate(came) if e is not None), None)

    async def wait_for_all(
        self, name: str, awaited: Sequence[Awaited[Any]], *, timeout: float, look_back: float | None = None
    ) -> list[Event[Any] | None]:
        """The same until all of them have come; after `timeout` seconds, None for each that has not."""
        return await self._wait(name, awaited, True, timeout, look_back)

    async def _wait(
        self, name: str, awaited: Sequence[Awaited[Any]], all: bool, timeout: float, look_back: float | None
    ) -> list[Event[Any] | None]:
        self._use(name)
        try:
            if name not in self._journal:
                began = time.monotonic()
                came = await self._waiting.outcome(name, awaited, all=all, timeout=timeout, look_back=look_back)
                void = self._waiting.fields(name, awaited)
                await self._journal_step(name, json.dumps(came).encode(), None, began, void)
            return self._waiting.events(name, awaited, json.loads(self._journal[name]))
        except ValueError as error:
            raise StepInvalid(self.run_id, name, str(error)) from error

    async def _record(self, name: str, value: bytes, item: OutboxItem | None, began: float) -> bytes:
        if len(value) > self._calls.limits.result_bytes:
            limit = self._calls.limits.result_bytes
            raise Reject(f"step {name!r} returned {len(value)} bytes; {limit} are allowed: journal a reference")
        return await self._journal_step(name, value, item, began)

    async def _journal_step(
        self, name: str, value: bytes, item: OutboxItem | None, began: float, void: Sequence[str] = ()
    ) -> bytes:
        # A store that hiccups must not make the handler fail: the act is done, and would be done again.
        answer = await self._insist(lambda: self._calls.step(self._delivery, name, value, item, void))
        match answer:
            case Refused(why):
                raise LeaseGone(f"step {name}", why)
            case LimitReached(what):
                raise Reject(f"step {name!r}: the run has reached its limit of {what}")
            case recorded:
                self._journal[name] = recorded
                self._observer.saw(StepRecorded(self._delivery.function, self.run_id, name, time.monotonic() - began))
                if item:
                    self._posted(item)
                return recorded

    def result_of(self, value: Any) -> bytes | None:
        """What the handler returned, as its record keeps it; None for nothing. StepInvalid, Reject like a step's."""
        if value is None:
            return None
        kept = _to_json(self.run_id, "(the handler)", value)
        if len(kept) > self._calls.limits.result_bytes:
            limit = self._calls.limits.result_bytes
            raise Reject(f"the handler returned {len(kept)} bytes; {limit} are allowed: return a reference")
        return kept

    def _rest_on(self, name: str) -> None:
        """A clock that was set back may find a sleep not over: then the rest of it, not all of it again."""
        if name in self._journal and (until := int(json.loads(self._journal[name])["until"])) > self.now_ms:
            raise Park(name, 0, until)

    def _use(self, name: str) -> None:
        if not name or len(name) > 200:
            raise StepInvalid(self.run_id, name, "a step name has 1 to 200 characters")
        if name in OWN_STEPS:
            raise StepInvalid(self.run_id, name, "the bus calls a step so itself; take another name")
        if name in self._seen:
            raise StepInvalid(self.run_id, name, "this name was used already in this run; every step needs its own")
        self._seen.add(name)


def _to_json(run: str, step: str, value: Any) -> bytes:
    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True).encode()
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise StepInvalid(run, step, f"its result is not JSON ({error}); return plain values or a model") from error
