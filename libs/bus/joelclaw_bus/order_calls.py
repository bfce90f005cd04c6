"""What a person orders about a run, in the store: to end it, to take its event back, to open it again when it failed.

Nobody need hold the run for that: its worker, if it has one, learns of it by the refusal of its next write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import DAY_MS, Limits
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Store

_script = partial(load_script, "joelclaw_bus")
UNREAD_MS = 30 * DAY_MS
"""How long it is remembered that a run was cancelled before anybody read its event: longer than most pauses."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """`done`, and then the state that the run was in; else how it had ended, or '' when there is no such run."""

    done: bool
    was: str


@dataclass(frozen=True, slots=True)
class Redriven:
    """`done`; else how the run stands: open, ended otherwise, of a `newer` build, its `letter gone`; '' when nothing is
    left to begin."""

    done: bool
    stands: str


@dataclass(frozen=True, slots=True)
class OrderCalls:
    store: Store
    limits: Limits

    async def cancel(self, slot: Slot, run: str, reason: str, *, only: str = "", unmoved_since: int = 0) -> Cancelled:
        """End an open run from outside: its writes are refused from now on, and its handler stops at the next one.

        only: if it is in this state; unmoved_since: if it has not moved after that, ms (0: whenever it did).
        """
        done, word = await self.store.run(
            _script("cancel"),
            [slot.stream, slot.run(run), slot.open, slot.ended, slot.due, slot.outbox, slot.outbox_items],
            [run, f"{slot.name}|{run}", reason, self.limits.ended_ms, only, unmoved_since],
        )
        return Cancelled(bool(done), word.decode())

    async def cancel_unread(self, slot: Slot, run: str, entry: str, reason: str) -> Cancelled:
        """End a run before it has a record: whoever comes to its entry drops it, for at least `UNREAD_MS`."""
        done, word = await self.store.run(
            _script("cancel_unread"),
            [slot.stream, slot.run(run), slot.ended],
            [run, run.partition(":")[0], entry, reason, max(self.limits.ended_ms, UNREAD_MS)],
        )
        return Cancelled(bool(done), word.decode())

    async def cancel_delayed(self, slot: Slot, event_id: str, runs: Mapping[str, str], reason: str) -> bool:
        """Take back an event that waits for its time; False when it does not. `runs`: those it would have, by function;
        each ends as cancelled."""
        flat = [part for function, run in runs.items() for part in (run, function)]
        done = await self.store.run(
            _script("cancel_delayed"),
            [slot.due, slot.due_items, slot.ids, slot.ended],
            [event_id, reason, self.limits.ended_ms, self.limits.dedupe_ms, *flat],
        )
        return bool(done)

    async def redrive(self, slot: Slot, run: str, letter: str, *, from_start: bool) -> Redriven:
        """Open a failed run again, due at once: behind its journal, or from its start. Its dead letter goes."""
        done, word = await self.store.run(
            _script("redrive"),
            [slot.run(run), slot.open, slot.ended, slot.due, slot.dead],
            [run, "start" if from_start else "step", letter, self.store.keys.nudges, slot.name],
        )
        return Redriven(bool(done), "" if done else word.decode())
