"""The real parts, as a process has them that dies between an effect and its record; and an observer that remembers."""

from __future__ import annotations

from collections.abc import Sequence

from joelclaw_bus.keys import Slot
from joelclaw_bus.observer import Fact
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_bus.wait_calls import WaitCalls


class Dying(WaitCalls):
    """Dies after it has told the runs, before it could take their waits away."""

    async def unwait(self, slot: Slot, ids: Sequence[str], *, consumer: str = "", entry: str = "") -> int:
        return 0


class Forgetful(SlotCalls):
    """Dies after each delivery, before it could say that it was done."""

    async def outbox_done(self, slot: Slot, ids: Sequence[str]) -> None:
        return


class Ears(list[Fact]):
    def saw(self, fact: Fact) -> None:
        self.append(fact)
