"""One pass of the auditor over a whole store, by hand."""

from __future__ import annotations

from collections import Counter

from joelclaw_bus import Limits, Store
from joelclaw_bus.audit.auditor import Auditor
from joelclaw_bus.keys import Slot
from joelclaw_bus.observer import AuditFound
from tests.support.seen import Seen


class Audit:
    """An auditor that remembers from pass to pass. lease_ms 0: what two slots say of each other counts at once;
    takes_turns: it does not wait for its turn, whoever has it."""

    def __init__(
        self, store: Store, *slots: Slot, limits: Limits = Limits(), lease_ms: int = 0, takes_turns: bool = True
    ) -> None:
        self.seen, self.takes_turns = Seen(), takes_turns
        self.auditor = Auditor(list(slots), store, limits, self.seen, "the-auditor", lease_ms, every=0.1)

    async def once(self) -> list[AuditFound]:
        """Everything that one pass finds: the slots given, those that are registered, all keys."""
        before = len(self.seen.facts)
        store = self.auditor.store
        for slot in self.auditor.own:
            await store.call("HSETNX", store.keys.slots, slot.name, 1)
            if self.takes_turns:
                await store.call("SET", slot.auditor, self.auditor.consumer, "PX", 60_000)
        await store.call("SET", store.keys.sweeper, self.auditor.consumer, "PX", 60_000)
        await self.auditor.round()
        return [fact for fact in self.seen.facts[before:] if isinstance(fact, AuditFound)]


async def audit(store: Store, *slots: Slot, limits: Limits = Limits()) -> list[AuditFound]:
    return await Audit(store, *slots, limits=limits).once()


def rules_of(found: list[AuditFound]) -> Counter[str]:
    """How many of each rule."""
    return Counter(fact.rule for fact in found for _ in fact.names)
