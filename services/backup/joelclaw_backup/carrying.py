"""A copy on its way: copied, verified, published; on trouble with the way, the other way, a wait, or the queue.

Each attempt is a journaled step, each wait a parked run: after a crash the run goes on where it was, with the dice that
were drawn. What a set is made of is for its own steps; `switch.py` decides.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from joelclaw_backup.clock import now_ms
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.policy import needs_a_person
from joelclaw_backup.steps import Facts, Keeping, Steps
from joelclaw_backup.switch import Mode, Move, Rule, Tried, Waited, concerns_the_way, next_move, verdict_of
from joelclaw_backup.threads import in_thread
from joelclaw_backup.waiting_sets import put
from joelclaw_bus import Step
from joelclaw_contracts import EventModel, TransportMode


@dataclass(frozen=True, slots=True)
class Carried:
    """How it ended: `published` where it is stored, `queued` where it waits. trouble: ways that a person must mend."""

    mode: Mode
    attempts: int
    rules: tuple[Rule, ...]
    trouble: str = ""
    failure: str = ""
    proven: Facts | None = None
    published: Facts | None = None
    queued: Facts | None = None


class NotCarried(BackupFailed):
    """No way was open, and nothing could be queued."""

    def __init__(
        self, failure: FailureClass, message: str, mode: TransportMode, attempts: int, rules: tuple[Rule, ...]
    ) -> None:
        super().__init__(failure, message)
        self.mode, self.attempts, self.rules = mode, attempts, rules


class Tell(Protocol):
    def __call__(self, id: str, at_ms: int, move: Move, failed: Tried, attempts: int) -> EventModel:
        """What a switch says: the move, the failure before it, and how many attempts there were so far."""


async def carry(
    step: Step, backup: Steps, taken: Facts, round: int, tell: Tell, window_end_ms: int | None = None
) -> Carried:
    """Until it is stored or queued. NotCarried; BackupFailed for trouble with the data itself; StagedGone.

    Each rule leaves one piece of evidence: the first and the last that of the outcome, those between them their own.
    """
    travel, history, rules, dice, now = backup.keeping.travel, list[Tried | Waited](), list[Rule](), 0.0, step.now_ms
    while True:
        left = None if window_end_ms is None else window_end_ms - now
        ways = tuple(backup.ways)
        move = next_move(history, ways, travel.patience, queue=travel.queue is not None, dice=dice, left_ms=left)
        rules.append(move.rule)
        attempts = sum(isinstance(entry, Tried) for entry in history)
        if attempts and move.act in ("use", "wait"):
            name = f"rule-{round}.{len(rules)}"
            failed = next(entry for entry in reversed(history) if isinstance(entry, Tried))
            told = tell(f"{step.run_id}:{name}", now, move, failed, attempts)
            await step.send_event(name, told)
        match move.act:
            case "wait":
                await step.sleep(f"wait-{round}-{attempts}", move.ms / 1000)
                history.append(Waited())
                now += move.ms
            case "use":
                suffix = f"-{round}.{attempts}" if round or attempts else ""
                done = await attempt(step, backup.going_to(backup.ways[move.mode]), taken, f"copy-{round}", suffix)
                if "failed" not in done:
                    worst = [entry for entry in history if isinstance(entry, Tried)]
                    return Carried(move.mode, attempts + 1, tuple(rules), _mend(worst), **done)
                dice, now = done["dice"], done["at"]
                history.append(Tried(move.mode, FailureClass(done["failed"]), done["detail"]))
            case "queue" | "give-up":
                return await _not_now(step, backup.keeping, taken, round, move, history, tuple(rules))


async def attempt(step: Step, backup: Steps, taken: Facts, first: str, suffix: str) -> Facts:
    """One way, once: {"proven", "published"}, or {"failed", "detail", "dice", "at"} for trouble with the way."""
    copied: Facts = await step.run(f"{first}{suffix}", _tried, partial(backup.copy, taken))
    if "failed" in copied:
        return copied
    proven: Facts = await step.run(f"verify{suffix}", _tried, partial(backup.verify, taken, copied))
    if "failed" in proven:
        return proven
    published: Facts = await step.run(f"publish{suffix}", _tried, partial(backup.publish, taken, copied, proven))
    return published if "failed" in published else {"proven": proven, "published": published}


async def _tried(act: Callable[[], Awaitable[Facts]]) -> Facts:
    try:
        return await act()
    except BackupFailed as failed:
        if not concerns_the_way(failed.failure_class):
            raise
        return {"failed": failed.failure_class, "detail": str(failed), "dice": random.random(), "at": now_ms()}


async def _not_now(
    step: Step,
    keeping: Keeping,
    taken: Facts,
    round: int,
    move: Move,
    history: list[Tried | Waited],
    rules: tuple[Rule, ...],
) -> Carried:
    last, attempts = verdict_of(history), sum(isinstance(entry, Tried) for entry in history)
    queue, cap = keeping.travel.queue, keeping.travel.queue_cap
    if move.act == "give-up" or queue is None:
        raise NotCarried(last.failure, last.detail, last.mode, attempts, rules)
    manifest = Manifest.of(taken["manifest"])
    try:
        putting = partial(in_thread, put, keeping.staging, taken["staged"], queue, manifest, cap)
        queued: Facts = await step.run(f"queue-{round}", putting)
    except OSError as error:
        why = f"{last.detail}; and it can't be queued: {error.strerror or error}"
        raise NotCarried(last.failure, why, "queued", attempts, rules) from error
    except BackupFailed as failed:
        raise NotCarried(failed.failure_class, f"{failed}; {last.detail}", "queued", attempts, rules) from failed
    tried = [entry for entry in history if isinstance(entry, Tried)]
    return Carried(last.mode, attempts, rules, _mend(tried), last.detail, queued=queued)


def _mend(tried: list[Tried]) -> str:
    """What a person must mend, though the copy found a way or waits for one."""
    return "; ".join(dict.fromkeys(entry.detail for entry in tried if needs_a_person(entry.failure)))
