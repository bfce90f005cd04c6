"""What became of a begin, and writing it down: the only place where a run's entry is let go of.

It is repeated until the store answers (insist.py): every settling script knows by its claim that it was done already.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.event import Event, Failure
from joelclaw_bus.functions import Function
from joelclaw_bus.insist import insist
from joelclaw_bus.leases import Held
from joelclaw_bus.observer import Observer, RunEnded, RunParked, RunRetried, WriteRefused
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.permits import Claimed
from joelclaw_bus.publisher import item_of
from joelclaw_bus.run_calls import LimitReached, Refused, RunCalls, WentOn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Completed:
    """`result`: JSON; None when the handler returned nothing."""

    result: bytes | None


@dataclass(frozen=True, slots=True)
class Skipped:
    reason: str


@dataclass(frozen=True, slots=True)
class Rest:
    """A sleep: `step` is journaled with the time it ends. Or a wait: `waits_for` is kept until it ends, and `items`
    register it where the events come."""

    step: str
    delay_ms: int
    at_ms: int
    waits_for: str = ""
    items: tuple[OutboxItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    delay_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """The store was away, or refused everybody: no fault of the handler's, and no attempt of its own."""

    delay_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class Failed:
    error: str
    cause: BaseException | None


@dataclass(frozen=True, slots=True)
class NoPermit:
    """It waits for `permit`, and asks again after `fallback_ms`."""

    fallback_ms: int
    permit: Claimed


Outcome = Completed | Skipped | Rest | Retry | Postponed | Failed | NoPermit


@dataclass
class Settler:
    """Writes outcomes. `post` takes the items that the scripts put into the outbox, to deliver them at once."""

    calls: RunCalls
    observer: Observer
    post: Callable[[Delivery, OutboxItem], None]
    lease_ms: int
    now_ms: Callable[[], int]

    async def settle(
        self,
        held: Held,
        fn: Function,
        outcome: Outcome,
        *,
        event: Event[Any],
        attempt: int,
        permit: Claimed | None,
        keep: bool,
        seconds: float,
        redriven: int = 0,
        at_the_end: Sequence[OutboxItem] = (),
    ) -> bool:
        """Write one outcome down, or learn that it is not ours to write: that is told to the observer and nothing else
        is done. redriven: how often the run was opened again after it had failed. at_the_end: what its end sends
        beside."""
        d = held.delivery
        rests = isinstance(outcome, Rest | Retry | Postponed | NoPermit)
        give_back = permit.release() if permit and not (rests and permit.until_the_end) else None
        items = [give_back] if give_back else []
        if not rests:
            items += at_the_end
        on_cancel = permit.on_cancel() if permit and permit.until_the_end else None
        rest = partial(
            self.calls.park, d, state="due", channel=self.calls.store.keys.nudges, on_cancel=on_cancel, items=items
        )
        answer: int | WentOn | LimitReached | Refused
        match outcome:
            case Completed(result):
                answer = await self._ended(
                    held, "completed", keep=keep or result is not None, result=result or b"null", items=items
                )
                self._tell(d, "finish", answer, RunEnded(fn.id, d.run, event.name, "completed", seconds, ""))
            case Skipped(reason):
                answer = await self._ended(held, "skipped", keep=keep, result=json.dumps(reason).encode(), items=items)
                self._tell(d, "finish", answer, RunEnded(fn.id, d.run, event.name, "skipped", seconds, reason))
            case Failed(error, cause):
                try:
                    failure = Failure(fn.id, d.run, d.key, event, attempt, error, cause)
                    items += failure_items(fn, failure, self.now_ms(), redriven)
                except Exception as fault:  # the service's code: the run ends as failed all the same, and says so
                    told = " ".join(ascii(fault).split())
                    error = f"{error}; and its on_failure failed: {told[:2000]}"
                answer = await self._ended(held, "failed", keep=True, error=error, items=items)
                self._tell(d, "finish", answer, RunEnded(fn.id, d.run, event.name, "failed", seconds, error))
            case Rest(step, delay_ms, at_ms, waits_for, registrations):
                items += registrations
                state = "waiting" if waits_for else "due"
                when = {"delay_ms": delay_ms, "at_ms": at_ms}
                answer = await self.insist(held, partial(rest, state=state, step=step, waits_for=waits_for, **when))
                if isinstance(answer, LimitReached):
                    failed = Failed(f"step {step!r}: the run has reached its limit of {answer.what}", None)
                    return await self.settle(
                        *(held, fn, failed),
                        event=event,
                        attempt=attempt,
                        permit=permit,
                        keep=True,
                        seconds=seconds,
                        redriven=redriven,
                        at_the_end=at_the_end,
                    )
                self._tell(d, "park", answer, RunParked(fn.id, d.run, state, _ms(answer)))
            case Retry(delay_ms, error):
                answer = await self.insist(held, partial(rest, delay_ms=delay_ms, attempts=1, error=error))
                self._tell(d, "retry", answer, RunRetried(fn.id, d.run, attempt + 1, _ms(answer), error))
            case Postponed(delay_ms, _):
                answer = await self.insist(held, partial(rest, delay_ms=delay_ms))
                self._tell(d, "wait", answer, RunParked(fn.id, d.run, "due", _ms(answer)))
            case NoPermit(fallback_ms, wanted):
                hold = partial(rest, state="held", delay_ms=fallback_ms, on_cancel=wanted.on_cancel())
                answer = await self.insist(held, hold)
                self._tell(d, "hold", answer, RunParked(fn.id, d.run, "held", _ms(answer)))
        if isinstance(answer, int):
            for item in items:
                self.post(d, item)
        return isinstance(answer, int | WentOn)

    async def _ended(
        self,
        held: Held,
        status: str,
        *,
        keep: bool,
        items: list[OutboxItem],
        result: bytes = b"null",
        error: str = "",
    ) -> int | Refused:
        asked = False

        async def finish() -> int | Refused:
            nonlocal asked
            again, asked = asked, True
            answer = await self.calls.finish(
                held.delivery, status=status, result=result, error=error, keep=keep, items=items
            )
            # A run without a record: we asked before and had no answer, and whoever took it over would have made one.
            return self.now_ms() if again and answer == Refused("acknowledged") else answer

        return await self.insist(held, finish)

    async def insist(self, held: Held, write: Callable[[], Awaitable[T]]) -> T | Refused:
        """Repeat until the store answers, or for some leases: insist.py."""
        return await insist(held, write, lease_ms=self.lease_ms)

    def _tell(
        self,
        d: Delivery,
        operation: str,
        answer: int | WentOn | LimitReached | Refused,
        fact: RunEnded | RunParked | RunRetried,
    ) -> None:
        if isinstance(answer, int | WentOn):
            self.observer.saw(fact)
        else:
            why = answer.why if isinstance(answer, Refused) else answer.what
            self.observer.saw(WriteRefused(d.function, d.run, operation, why))


def failure_items(fn: Function, failure: Failure, now_ms: int, redriven: int) -> list[OutboxItem]:
    """What a final failure sends, written in the same step as the run's end. One that was redriven and failed again
    sends it again: under the id of the first failure nobody would hear of the second."""
    if fn.on_failure is None:
        return []
    which = f"failed:{redriven}" if redriven else "failed"
    return [
        item_of(
            event,
            id=f"{failure.key}:{which}:{n}",
            source=fn.id,
            traceparent=failure.event.traceparent,
            now_ms=now_ms,
        )
        for n, event in enumerate(fn.on_failure(failure))
    ]


def _ms(answer: int | WentOn | LimitReached | Refused) -> int:
    """When it is due; of one that went on already: by when it was."""
    match answer:
        case int():
            return answer
        case WentOn(now_ms):
            return now_ms
        case _:
            return 0
