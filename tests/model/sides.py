"""Two buses side by side, the real scripts on a real store and the specification; the words of one for the other."""

from __future__ import annotations

from typing import Any

from joelclaw_bus.audit.calls import AuditCalls
from joelclaw_bus.audit.pages import Pages
from joelclaw_bus.audit.waits import WaitAudit
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.limits import Limits
from joelclaw_bus.order_calls import OrderCalls
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.publisher import Publisher
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.slot_calls import SlotCalls
from tests.model.dying import Dying, Ears, Forgetful
from tests.model.ledger import Ledger
from tests.model.picture import differences, expected, seen
from tests.model.shop import GROUPS, LIMITS, MODELS, ORDER, PAID
from tests.model.spec import streams
from tests.model.spec.nouns import HOUR, Bounds, Bus, Hand, Stream, text
from tests.model.virtual import VirtualStore, finished
from tests.support.server import MARK

BEGINNING = 1_800_000_000_000
NEVER_MS = 10**15
"""What the auditor says of two slots at once it says after a while; that has tests of its own."""


class Sides:
    """`hands`: every delivery that was ever made, with what its worker takes it for."""

    def __init__(self, store: VirtualStore) -> None:
        b = self.bounds = Bounds()
        self.store, self.do = store, finished
        assert self.do(store.call("GET", MARK)), "refusing to flush a store that is not the tests' own"
        for command in (("FLUSHALL",), ("SET", MARK, "model")):
            self.do(store.call(*command))
        store.now_ms = BEGINNING
        self.keys = self.store.keys
        limits = Limits(
            steps=b.steps, run_bytes=b.run_bytes, begins=b.begins, dedupe_ms=b.dedupe, events_ms=b.events,
            ended_ms=b.ended, buried_ms=b.buried, first_read_ms=HOUR,
        )  # fmt: skip
        self.runs, self.calls = RunCalls(self.store, limits), SlotCalls(self.store, limits)
        self.orders = OrderCalls(self.store, limits)
        self.outbox = Outbox(self.calls, Publisher(self.store, limits=limits), Ears(), MODELS)
        self.dying = Outbox(Forgetful(self.store, limits), self.outbox.publisher, Ears(), MODELS)
        self.dying.waits.wait_calls = Dying(self.store)
        self.told_facts, audit = Ears(), AuditCalls(self.store, limits)
        self.pages = Pages(audit, self.told_facts, WaitAudit(audit, NEVER_MS))
        self.bus, self.ledger = Bus(BEGINNING, b), Ledger(b.dedupe, b.ended, BEGINNING)
        self.hands: dict[Hand, str] = {}
        self.permits: dict[str, bool] = {}
        """Claims that were told: you have your permit (True), or: wait (False)."""
        self.claims = 0
        self.schedulers: dict[tuple[str, str], dict[str, int]] = {}
        for slot, fn in GROUPS:
            answer = self.do(self.calls.ensure_group(self.keys.slot(slot), fn))
            self.same(f"register {fn}", answer[:2], streams.register(self.bus, slot, fn, HOUR))
        for fn, key in LIMITS:
            self.bus.gate(fn, key)

    def same(self, what: str, answer: Any, expected: Any) -> Any:
        """The bus answered what the specification says."""
        assert answer == expected, f"{what}: answered {answer!r}, and should have {expected!r}"
        return answer

    def compare(self) -> None:
        """Holds the whole store against the specification, and against the promises."""
        picture = self.do(seen(self.store))
        different = differences(picture, expected(self.bus, self.keys))
        assert not different, "the store is not as it should be:\n" + "\n".join(different)
        self.ledger.look(picture, self.keys, [ORDER, PAID], LIMITS)

    def close(self) -> None:
        self.outbox.posted.close()
        self.dying.posted.close()

    def advance(self, ms: int) -> None:
        if not self.bus.may_advance(ms):
            ms += 6 * HOUR
        self.do(self.store.advance(ms))
        self.bus.advance(ms)
        self.ledger.now = self.bus.now

    # What the real calls take and give, in the words of the specification.

    def delivery(self, h: Hand) -> Delivery:
        return Delivery(self.keys.slot(h.slot), h.fn, h.consumer, text(h.entry), h.run, h.claim, h.ready)

    def stream_key(self, slot: str, fn: str, ready: bool) -> str:
        own = self.keys.slot(slot)
        return own.ready(fn) if ready else own.stream

    def stream(self, slot: str, fn: str, ready: bool) -> Stream:
        return self.bus.slot(slot).ready[fn] if ready else self.bus.slot(slot).events

    def item(self, item: dict[str, Any]) -> OutboxItem:
        return OutboxItem(**item)
