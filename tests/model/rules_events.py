"""How events come, and how they are handed about among workers that die, stop and are taken for dead."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from joelclaw_bus.dead_letters import replay
from joelclaw_bus.inspect.dead import DeadLetter
from tests.model.base import GROUP, IDS, WORKER, Base, having, of
from tests.model.ledger import FOREIGN, SPOILT
from tests.model.spec import streams
from tests.model.spec.nouns import HOUR, MINUTE, Id, text
from tests.model.world import GROUPS, ORDER, PAID, World

SLOT = st.sampled_from([ORDER, PAID])


def pending(world: World) -> list[tuple[str, str, bool, Id]]:
    return [
        (slot, fn, ready, entry)
        for slot, fn in GROUPS
        for ready in (False, True)
        for entry in world.stream(slot, fn, ready).groups[fn].pending
        if entry in world.stream(slot, fn, ready).entries
    ]


def dead(world: World) -> list[tuple[str, Id]]:
    return [(s, entry) for s in (ORDER, PAID) for entry in world.bus.slot(s).dead.entries]


class EventRules(Base):
    @rule(slot=SLOT, event_id=IDS, delay=st.sampled_from([0, 0, MINUTE, 2 * HOUR]))
    def publish(self, slot: str, event_id: str, delay: int) -> None:
        w = self.world
        at = w.bus.now + delay if delay and event_id else 0
        fields = {"data": "{}", "id": event_id} if event_id else {"data": "{}"}
        raw = {name.encode(): value.encode() for name, value in fields.items()}
        answer = w.do(w.calls.publish(w.keys.slot(slot), raw, event_id=event_id, at_ms=at))
        entry, known = streams.publish(w.bus, slot, fields, event_id, at)
        w.same("publish", (answer.entry, answer.duplicate), (text(entry) if entry else None, known))
        if not known:
            w.ledger.published(slot, event_id, at)

    @rule(slot=SLOT, event_id=IDS, spoilt=st.booleans())
    def foreign(self, slot: str, event_id: str, spoilt: bool) -> None:
        """A bare XADD: nobody looked whether its id is known, nor what is in it."""
        w = self.world
        fields = {"data": SPOILT} if spoilt else {"data": FOREIGN}
        fields |= {"id": event_id} if event_id else {}
        flat = [part for pair in fields.items() for part in pair]
        entry = w.do(w.store.call("XADD", w.keys.slot(slot).stream, f"{w.bus.now}-*", *flat))
        w.same("XADD", entry.decode(), text(w.bus.slot(slot).events.add(w.bus.now, fields)))

    @rule(group=GROUP, consumer=WORKER, count=st.integers(1, 3))
    def read(self, group: tuple[str, str], consumer: str, count: int) -> None:
        self.world.read(*group, consumer, count)

    @having(pending)
    @rule(what=of(pending), consumer=WORKER)
    def redeliver(self, what: tuple[str, str, bool, Id], consumer: str) -> None:
        """An entry comes to somebody else while its worker is alive."""
        w, (slot, fn, ready, entry) = self.world, what
        w.do(w.store.call("XCLAIM", w.stream_key(slot, fn, ready), fn, consumer, 0, text(entry)))
        streams.steal(w.bus, w.stream(slot, fn, ready), fn, entry, consumer)
        w.grasp(slot, fn, ready, entry, consumer, again=True)

    @rule(consumer=WORKER)
    def crash(self, consumer: str) -> None:
        """Its hands stay, as zombies may; its entries lie there until somebody takes them over."""
        for hand in [h for h in self.world.hands if h.consumer == consumer]:
            self.world.hands[hand] = "over"

    @rule(group=GROUP, ready=st.booleans(), consumer=WORKER)
    def stop(self, group: tuple[str, str], ready: bool, consumer: str) -> None:
        """A worker that ends in order hands back what it holds."""
        w, (slot, fn) = self.world, group
        answer = w.do(w.calls.hand_back(w.stream_key(slot, fn, ready), fn, consumer, w.bounds.lease))
        w.same(f"{consumer} hands back", answer, streams.hand_back(w.bus, w.stream(slot, fn, ready), fn, consumer))

    @rule(
        group=GROUP, ready=st.booleans(), consumer=WORKER, most=st.integers(1, 3), pages=st.sampled_from([1, 20]),
        late=st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    def take_over(
        self, group: tuple[str, str], ready: bool, consumer: str, most: int, pages: int, late: bool
    ) -> None:
        sent_at = self.world.bus.now - (self.world.bounds.lease if late else 0)
        self.world.take_over(*group, ready, consumer, most=most, pages=pages, sent_at=sent_at)

    @rule(ms=st.sampled_from([1, 300, MINUTE, 10 * MINUTE, 10 * MINUTE, HOUR, 30 * HOUR]))
    def time_passes(self, ms: int) -> None:
        self.world.advance(ms)

    @having(dead)
    @rule(what=of(dead), again=st.booleans())
    def replay(self, what: tuple[str, Id], again: bool) -> None:
        w, (slot, entry) = self.world, what
        old = w.bus.slot(slot).dead.entries[entry]
        fields = {name[2:]: value for name, value in old.items() if name.startswith("e:")}
        letter = DeadLetter(text(entry), slot, "", 0, "", "", "", {}, fields, {})
        for _ in range(1 + again):
            answer = w.do(replay(w.store, letter, b"{}"))
            w.same(f"replay {letter.id}", answer, streams.replay(w.bus, slot, entry, "{}"))
