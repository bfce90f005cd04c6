"""Calling a handler, and what its return or its exception means for the run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import anyio

from joelclaw_bus.errors import Reject, RetryAfter, StoreRefused, StoreUnavailable
from joelclaw_bus.event import Event
from joelclaw_bus.functions import Function
from joelclaw_bus.settle import Completed, Failed, Outcome, Postponed, Rest, Retry
from joelclaw_bus.step import LeaseGone, Step, StepInvalid
from joelclaw_bus.waiting import Park
from joelclaw_bus.wording import line, line_of

STORE_WAIT_MS = 1_000
"""A handler that met a store which refuses everybody looks again after so long."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """The store refused a write: this delivery is somebody else's now, and has no outcome here."""

    operation: str
    why: str


async def perform(fn: Function, event: Event[Any], step: Step, *, dice: float) -> Outcome | NotOurs:
    """Run the handler to its outcome. dice: drawn for the delay of a retry, in [0, 1)."""
    try:
        if fn.timeout is None:
            result = await fn.handler(event, step)
        else:
            with anyio.fail_after(fn.timeout):
                result = await fn.handler(event, step)
        return Completed(step.result_of(result))
    except asyncio.CancelledError as error:
        # Ours to pass on when somebody cancels us. A handler that awaited a task which was cancelled has failed.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        fault = RuntimeError("a task that the handler awaited was cancelled")
        fault.__cause__ = error
        return outcome_of(fn, fault, step.attempt, dice)
    except BaseExceptionGroup as group:
        # A handler may use task groups of its own: what leaves the journal in one of them counts.
        inner = group.subgroup((Park, LeaseGone))
        return outcome_of(fn, _first(inner or group), step.attempt, dice)
    except (Park, LeaseGone, Exception) as error:  # whatever a handler raises becomes its run's outcome
        return outcome_of(fn, error, step.attempt, dice)


def outcome_of(fn: Function, error: BaseException, attempt: int, dice: float) -> Outcome | NotOurs:
    """What an exception means: a rest, an end, another attempt; others than a handler may raise go on."""
    match error:
        case LeaseGone():
            return NotOurs(error.operation, error.why)
        case Park():
            return Rest(error.step, error.delay_ms, error.at_ms, error.waits_for, error.items)
        case StepInvalid():  # the handler's own fault: it would fail again
            return Failed(line_of(error), error)
        case Reject():
            return Failed(line(str(error)) or "rejected", error.__cause__ or error)
        case StoreUnavailable():
            return Postponed(STORE_WAIT_MS, line_of(error))
        case StoreRefused() if error.is_the_store_s:
            return Postponed(STORE_WAIT_MS, line_of(error))
        case Exception():
            text = line(str(error)) if isinstance(error, RetryAfter) else line_of(error)
            if attempt >= fn.retries:
                return Failed(text, error)
            wanted = round(error.seconds * 1000) if isinstance(error, RetryAfter) else 0
            return Retry(max(wanted, fn.backoff.delay_ms(attempt, dice)), text)
        case _:
            raise error


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
