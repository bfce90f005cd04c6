"""How events come, and how they are handed about among workers that die, stop and are taken for dead."""

from __future__ import annotations

from hypothesis import strategies as st

from joelclaw_bus.dead_letters import replay
from joelclaw_bus.inspect.dead import DeadLetter
from tests.model.base import Base, act, hands
from tests.model.ledger import FOREIGN, SPOILT
from tests.model.shop import GROUPS, ORDER, PAID, WORKERS
from tests.model.spec import streams
from tests.model.spec.nouns import HOUR, MINUTE, Hand, Id, text
from tests.model.world import World
from tests.model.writes import WRITES, Writes, zombie_writes

IDS = st.sampled_from(["", "", "one", "two"])
WORKER = st.sampled_from(WORKERS)
GROUP = st.sampled_from(GROUPS)
BEGINS = st.sampled_from([True, True, False])
MOST_AT_WORK = 7
DATA = st.sampled_from(["{}", '{"tag":"red"}', '{"tag":"red"}'])
SLOT = st.sampled_from([ORDER, PAID])


def pending(world: World) -> list[tuple[str, str, bool, Id]]:
    return [
        (slot, fn, ready, entry)
        for slot, fn in GROUPS
        for ready in (False, True)
        for entry in world.stream(slot, fn, ready).groups[fn].pending
        if entry in world.stream(slot, fn, ready).entries
    ]


def unread(world: World) -> list[tuple[str, str]]:
    return [
        (slot, fn)
        for slot, fn in GROUPS
        if any(
            e > s.groups[fn].delivered for r in (False, True) for s in [world.stream(slot, fn, r)] for e in s.entries
        )
    ]


def room(world: World) -> bool:
    """Only so much at a time: otherwise most walks would be long queues, where nothing meets anything."""
    waits = sum(
        e > s.groups[fn].delivered for slot, fn in GROUPS for s in [world.bus.slot(slot).events] for e in s.entries
    )
    return waits + sum(len(world.bus.slot(slot).open) for slot in (ORDER, PAID)) < MOST_AT_WORK


def delayed(world: World) -> list[tuple[str, str]]:
    return [(slot, event_id) for slot in (ORDER, PAID) for event_id in world.bus.slot(slot).delayed]


def dead(world: World) -> list[tuple[str, Id]]:
    return [(s, entry) for s in (ORDER, PAID) for entry in world.bus.slot(s).dead.entries]


class EventActs(Base):
    @act(5, when=room, slot=SLOT, event_id=IDS, delay=st.sampled_from([0, 0, MINUTE, 2 * HOUR]), data=DATA)
    def publish(self, slot: str, event_id: str, delay: int, data: str) -> None:
        w = self.world
        at = w.bus.now + delay if delay and event_id else 0
        fields = {"data": data, "id": event_id} if event_id else {"data": data}
        raw = {name.encode(): value.encode() for name, value in fields.items()}
        answer = w.do(w.calls.publish(w.keys.slot(slot), raw, event_id=event_id, at_ms=at))
        entry, known = streams.publish(w.bus, slot, fields, event_id, at)
        w.same("publish", (answer.entry, answer.duplicate), (text(entry) if entry else None, known))
        if not known:
            w.ledger.published(slot, event_id, at)

    @act(2, "strangers", when=room, slot=SLOT, event_id=IDS, spoilt=st.booleans())
    def foreign(self, slot: str, event_id: str, spoilt: bool) -> None:
        """A bare XADD: nobody looked whether its id is known, nor what is in it."""
        w = self.world
        fields = {"data": SPOILT} if spoilt else {"data": FOREIGN}
        fields |= {"id": event_id} if event_id else {}
        flat = [part for pair in fields.items() for part in pair]
        entry = w.do(w.store.call("XADD", w.keys.slot(slot).stream, f"{w.bus.now}-*", *flat))
        w.same("XADD", entry.decode(), text(w.bus.slot(slot).events.add(w.bus.now, fields)))

    @act(8, group=unread, consumer=WORKER, count=st.integers(1, 3), begins=BEGINS)
    def read(self, group: tuple[str, str], consumer: str, count: int, begins: bool) -> None:
        if not self.world.paused(group[1]):
            self._begin(self.world.read(*group, consumer, count), begins)

    @act(3, "takeovers", what=pending, consumer=WORKER, begins=BEGINS)
    def redeliver(self, what: tuple[str, str, bool, Id], consumer: str, begins: bool) -> None:
        """An entry comes to somebody else while its worker is alive."""
        w, (slot, fn, ready, entry) = self.world, what
        w.do(w.store.call("XCLAIM", w.stream_key(slot, fn, ready), fn, consumer, 0, text(entry)))
        streams.steal(w.bus, w.stream(slot, fn, ready), fn, entry, consumer)
        self._begin([w.grasp(slot, fn, ready, entry, consumer, again=True)], begins)

    @act(3, "takeovers", h=hands("working"), how=WRITES)
    def redeliver_to_its_own_process(self, h: Hand, how: str) -> None:
        """An entry comes a second time to the very worker that has it; then its first begin goes on writing."""
        w = self.world
        source, entry = w.bus.source(h), h.entry
        if entry not in source.entries or h.entry not in source.groups[h.fn].pending:
            return
        w.do(w.store.call("XCLAIM", w.delivery(h).source, h.fn, h.consumer, 0, text(entry)))
        streams.steal(w.bus, source, h.fn, entry, h.consumer)
        self._begin([w.grasp(h.slot, h.fn, h.ready, entry, h.consumer, again=True)], True)
        zombie_writes(Writes(w), h, how, "late")

    @act(1, "takeovers", consumer=WORKER)
    def crash(self, consumer: str) -> None:
        """Its hands stay, as zombies may; its entries lie there until somebody takes them over."""
        for hand in [h for h in self.world.hands if h.consumer == consumer]:
            # What needs a begin and had none is written by nobody, dead or alive.
            self.world.hands[hand] = "unbegun" if self.world.hands[hand] in ("read", "unbegun") else "over"

    @act(1, "takeovers", group=GROUP, ready=st.booleans(), consumer=WORKER)
    def stop(self, group: tuple[str, str], ready: bool, consumer: str) -> None:
        """A worker that ends in order hands back what it holds."""
        w, (slot, fn) = self.world, group
        answer = w.do(w.calls.hand_back(w.stream_key(slot, fn, ready), fn, consumer, w.bounds.lease))
        w.same(f"{consumer} hands back", answer, streams.hand_back(w.bus, w.stream(slot, fn, ready), fn, consumer))

    @act(2, "takeovers", h=hands("read"))
    def hand_back(self, h: Hand) -> None:
        """A worker that can't begin an entry, or has no place for it, gives it to others."""
        w = self.world
        answer = w.do(w.calls.hand_back(w.delivery(h).source, h.fn, h.consumer, w.bounds.lease, [text(h.entry)]))
        should = streams.hand_back(w.bus, w.bus.source(h), h.fn, h.consumer, [h.entry])
        w.same(f"{h} is handed back", answer, should)
        w.hands[h] = "unbegun"

    @act(
        4, "takeovers",
        what=pending, consumer=WORKER, most=st.integers(1, 3), pages=st.sampled_from([1, 20]),
        waits=st.booleans(), late=st.sampled_from([False, False, False, True]),
        alone=st.sampled_from([False, False, True]), begins=BEGINS,
    )  # fmt: skip
    def take_over(
        self,
        what: tuple[str, str, bool, Id],
        consumer: str,
        most: int,
        pages: int,
        waits: bool,
        late: bool,
        alone: bool,
        begins: bool,
    ) -> None:
        """An entry's group is looked through for lost leases; `waits`: a lease after something was done with it;
        `alone`: the entry itself is left to others."""
        if waits:
            self.world.advance(self.world.bounds.lease)
        if self.world.paused(what[1]):
            return
        sent_at = self.world.bus.now - (self.world.bounds.lease if late else 0)
        left = [what[3]] if alone else []
        taken = self.world.take_over(*what[:3], consumer, most=most, pages=pages, sent_at=sent_at, alone=left)
        self._begin(taken, begins)

    def _begin(self, taken: list[Hand], begins: bool) -> None:
        for hand in taken:
            if begins and not hand.spoilt:
                self.world.begin(hand)

    @act(3, "time", ms=st.sampled_from([1, 300, MINUTE, 10 * MINUTE, 10 * MINUTE, HOUR, 30 * HOUR]))
    def time_passes(self, ms: int) -> None:
        self.world.advance(ms)

    @act(2, when=room, what=dead, again=st.booleans())
    def replay(self, what: tuple[str, Id], again: bool) -> None:
        w, (slot, entry) = self.world, what
        old = w.bus.slot(slot).dead.entries[entry]
        fields = {name[2:]: value for name, value in old.items() if name.startswith("e:")}
        letter = DeadLetter(text(entry), slot, "", 0, "", "", "", {}, fields, {})
        for _ in range(1 + again):
            answer = w.do(replay(w.store, letter, b"{}"))
            w.same(f"replay {letter.id}", answer, streams.replay(w.bus, slot, entry, "{}"))
