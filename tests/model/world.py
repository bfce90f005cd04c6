"""What is done to both buses, the real one and the specification, and held together: all acts go through this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joelclaw_bus.observer import AuditFound
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.pauses import Pauses, resume
from joelclaw_bus.run_calls import Begun, Dropped, LimitReached, Poisoned, Refused, WentOn
from joelclaw_bus.run_names import run_id
from joelclaw_bus.script import load_script
from tests.model.ledger import SPOILT
from tests.model.shop import KEY, LIMITS, TTL
from tests.model.sides import Sides
from tests.model.spec import delivery, moves, permits, runs, streams
from tests.model.spec.nouns import MINUTE, Hand, Hold, Id, parsed, text
from tests.model.spec.waits import GROUP


class World(Sides):
    """Deliveries are made, begun and taken over; what crosses slots arrives; permits and leases are kept."""

    def grasp(self, slot: str, fn: str, ready: bool, entry: Id, consumer: str, *, again: bool) -> Hand:
        """A worker has this entry in its hands now, under a claim of its own. `fresh`: it may run without a begin."""
        if not again:  # its group was lost: a process begins nothing that it executes, and a later one has another name
            same = (slot, fn, ready, entry, consumer)
            for old in [h for h in self.hands if (h.slot, h.fn, h.ready, h.entry, h.consumer) == same]:
                del self.hands[old]
            again = not ready and entry <= self.bus.slot(slot).redo.get(fn, (0, 0))
        fields = self.stream(slot, fn, ready).entries[entry]
        event_id = "" if ready else fields.get("id", "")
        run = fields["run"] if ready else run_id(fn, event_id or text(entry), given=bool(event_id))
        self.claims += 1
        spoilt = fields.get("data") == SPOILT
        hand = Hand(slot, fn, consumer, entry, run, f"c{self.claims}", ready, event_id, spoilt)
        fresh = not (again or ready or event_id or (fn, KEY) in LIMITS)
        self.hands[hand] = "spoilt" if spoilt else "fresh" if fresh else "read"
        return hand

    def begin(self, h: Hand) -> Any:
        """Fence a delivery; one that needs no fence yet may go without (decision 0004)."""
        wanted = (h.fn, KEY) in LIMITS
        answer = self.do(self.runs.begin(self.delivery(h), explicit_id=h.event_id, record_wanted=wanted))
        match answer:
            case Begun() | Poisoned():
                begun = answer if isinstance(answer, Begun) else answer.begun
                journal = {k[2:].decode(): v.decode() for k, v in begun.record.items() if k.startswith(b"s:")}
                told: Any = ("begun" if answer is begun else "poisoned", begun.begins, journal)
                self.hands[h] = "working" if answer is begun else "poisoned"
            case Dropped(why) | Refused(why):
                told = ("dropped" if isinstance(answer, Dropped) else "refused", why)
                self.hands[h] = "over"
        self.same(f"begin {h}", told, runs.begin(self.bus, h, record_wanted=wanted))
        if told[0] in ("begun", "poisoned"):
            self.ledger.begun(h)
        return told

    @staticmethod
    def told(answer: Any) -> Any:
        match answer:
            case Refused(why):
                return "refused", why
            case LimitReached(what):
                return "limit", what
            case WentOn(now):
                return "went on", now
            case bytes():
                return answer.decode()
            case _:
                return answer

    def read(self, slot: str, fn: str, consumer: str, count: int) -> list[Hand]:
        own = self.keys.slot(slot)
        streams_ = (own.stream, own.ready(fn), ">", ">")
        answer = self.do(self.store.call("XREADGROUP", "GROUP", fn, consumer, "COUNT", count, "STREAMS", *streams_))
        got = [(k.decode() != own.stream, parsed(entry)) for k, rows in answer or () for entry, _ in rows]
        self.same(f"{consumer} reads {slot} for {fn}", got, streams.read(self.bus, slot, fn, consumer, count))
        return [self.grasp(slot, fn, ready, entry, consumer, again=False) for ready, entry in got]

    def paused(self, fn: str) -> bool:
        """Whether a worker would leave this function alone now."""
        pauses = Pauses(self.store, lambda: self.bus.now)
        self.do(pauses.refresh())
        until = self.bus.pauses.get(fn)
        should = until is not None and (not until or self.bus.now < until)
        return bool(self.same(f"{fn} is paused", pauses.holds(fn), should))

    def read_for_waits(self, slot: str, consumer: str) -> list[Id]:
        """The specification's part of a read of one entry by the system's own group."""
        stream = self.bus.slot(slot).events
        group = stream.groups[GROUP]
        entry = min(entry for entry in stream.entries if entry > group.delivered)
        group.pending[entry], group.delivered = Hold(consumer, 1, self.bus.now), entry
        return [entry]

    def page(
        self,
        slot: str,
        fn: str,
        ready: bool,
        consumer: str,
        cursor: Id,
        most: int,
        sent_at: int,
        alone: Sequence[Id] = (),
    ) -> Any:
        """One page of a takeover, in the words of the specification."""
        page = self.do(
            self.calls.takeover(
                self.keys.slot(slot), self.stream_key(slot, fn, ready), fn, consumer,
                lease_ms=self.bounds.lease, cursor=text(cursor), count=most, at_ms=sent_at,
                alone=[text(entry) for entry in alone],
            )
        )  # fmt: skip
        name = {"NotClaimer": "not the claimer", "Jumped": "jumped"}.get(type(page).__name__)
        told = name or (
            [parsed(e) for e, _ in page.entries],
            [parsed(e) for e in page.deleted],
            parsed(page.cursor),
            page.next_ms,
        )
        how: Any = {"cursor": cursor, "most": most, "sent_at": sent_at, "alone": alone}
        should = streams.take_over(self.bus, slot, fn, ready, consumer, **how)
        if isinstance(told, tuple):  # real time passes as well, a little
            assert (told[3] is None) == (should[3] is None), "when the next look is worth while"
            assert abs((told[3] or 0) - (should[3] or 0)) < MINUTE
            told, should = told[:3], should[:3]
        self.same(f"{consumer} takes over {slot} for {fn}", told, should)
        return told

    def take_over(
        self,
        slot: str,
        fn: str,
        ready: bool,
        consumer: str,
        *,
        most: int,
        pages: int,
        sent_at: int,
        alone: Sequence[Id] = (),
    ) -> list[Hand]:
        """The cursor followed to its end, or until its worker dies after some pages; what was taken."""
        cursor, taken = (0, 0), list[Hand]()
        for _ in range(pages):
            page = self.page(slot, fn, ready, consumer, cursor, most, sent_at, alone)
            if isinstance(page, str):
                break
            taken += [self.grasp(slot, fn, ready, entry, consumer, again=True) for entry in page[0]]
            cursor = page[2]
            if cursor == (0, 0):
                break
        return taken

    def deliver(self, slot: str, name: str, *, done: bool) -> None:
        """An item of an outbox arrives; unless `done` its deliverer dies before it can be deleted."""
        item = self.bus.slot(slot).outbox[name].item
        known = {field: value for field, value in item.items() if field in OutboxItem.__dataclass_fields__}
        real = OutboxItem(**known)  # type: ignore[arg-type]  # its fields, as the specification put them down
        outbox = self.outbox if done else self.dying
        self.do(outbox.deliver(self.keys.slot(slot), real))
        delivery.deliver(self.bus, slot, item, done=done)

    def audit(self, slot: str) -> None:
        """One pass of the auditor over what is open and what waits in a slot."""
        told, own = self.told_facts, self.keys.slot(slot)
        told.clear()
        for page in (self.pages.runs, self.pages.due, self.pages.outbox):
            assert self.do(page(own)), "one page holds all"
        found = sorted((f.rule, name) for f in told if isinstance(f, AuditFound) for name in f.names)
        self.same(f"audit {slot}", found, moves.audit(self.bus, slot))

    async def renew(self, h: Hand) -> list[Id]:
        lost = await self.store.run(
            load_script("joelclaw_bus", "renew"), [self.delivery(h).source], [h.fn, h.consumer, text(h.entry)]
        )
        return [parsed(entry) for entry in lost]

    async def keep_permit(self, h: Hand, how_long: int, *, exclusive: bool) -> bool:
        own = self.keys.function_slot(h.fn)
        script = load_script("joelclaw_bus", "keep_permit")
        return bool(
            await self.store.run(
                script, [own.permits(KEY), own.claims(KEY)], [h.member, h.claim, how_long, int(exclusive)]
            )
        )

    def free_permits(self, fn: str) -> None:
        """A permit whose run has ended was lost on its way back: it is given back once more."""
        for member in list(self.bus.gate(fn, KEY).holders):
            slot, _, run = member.partition("|")
            record = self.bus.slot(slot).runs.get(run)
            if not record or record.state == "ended":
                self.release(fn, member, by=record.by if record else "")

    def release(self, fn: str, member: str, *, by: str) -> None:
        answer = self.do(self.calls.release(fn, KEY, member, TTL[fn], most=LIMITS[fn, KEY], by=by))
        should = permits.release(self.bus, fn, KEY, member, ttl=TTL[fn], claim="", most=LIMITS[fn, KEY], by=by)
        self.same(f"free {member}", answer and answer.id, should and should["id"])

    def resume(self, fn: str) -> None:
        was = self.do(resume(self.store, fn))
        self.same(f"resume {fn}", was, self.bus.pauses.pop(fn, None) is not None)
