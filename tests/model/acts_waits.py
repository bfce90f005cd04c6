"""Runs that wait for events, and those who tell them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, cast

from hypothesis import strategies as st

from joelclaw_bus.awaited import Awaited
from joelclaw_bus.matcher import Matcher
from joelclaw_bus.wait_calls import Found
from joelclaw_bus.waiting import Park
from joelclaw_bus.waiting import Waiting as RealWaiting
from tests.model.base import Base, act, hands
from tests.model.shop import MODELS, ORDER, PAID, WORKERS
from tests.model.spec import runs, waits
from tests.model.spec.nouns import HOUR, MINUTE, Hand, Id, Waiting, Wanted, parsed, text
from tests.model.world import World

Match = tuple[tuple[str, str], ...]
ANY: Match = ()
TAGGED: Match = (("tag", "red"),)
DELIVERED = st.sampled_from([True, True, False])
EVENTS = st.sampled_from(
    [
        ((PAID, TAGGED),),
        ((PAID, ANY),),
        ((ORDER, TAGGED),),
        ((ORDER, TAGGED), (PAID, ANY)),
        ((PAID, TAGGED), (PAID, ANY)),
    ]
)


class WaitActs(Base):
    @act(
        6, "waits", h=hands("working"), name=st.sampled_from(["hear", "listen"]), events=EVENTS, all=st.booleans(),
        timeout=st.sampled_from([MINUTE, HOUR]), look_back=st.sampled_from([None, HOUR]), delivered=DELIVERED,
    )  # fmt: skip
    def wait(
        self,
        h: Hand,
        name: str,
        events: tuple[tuple[str, Match], ...],
        all: bool,
        timeout: int,
        look_back: int | None,
        delivered: bool,
    ) -> None:
        """A handler comes to a wait for the first time: it rests, and says where its events come that it waits."""
        w = self.world
        run = w.bus.slot(h.slot).runs.get(h.run)
        if run and (name in run.journal or name in run.waits):
            return
        entry = run.body["entry"] if run and run.body else text(h.entry)
        awaited = [Awaited(MODELS[event], dict(match)) for event, match in events]
        since = tuple(_since(w, h, parsed(entry), event, look_back) for event, _ in events)
        wanted = tuple(Wanted(event, match, at) for (event, match), at in zip(events, since, strict=True))
        back = look_back and look_back / 1000
        park = self._comes_to_it(h, entry, name, awaited, all=all, timeout=timeout / 1000, look_back=back)
        assert isinstance(park, Park), "what was never waited for has come"
        self._rest(h, name, park, Waiting(all, wanted, w.bus.now + timeout, ""), delivered)

    @act(8, "waits", what=lambda world: waiting_hands(world))
    def hear(self, what: tuple[Hand, str]) -> None:
        """A handler comes to a wait that it came to before: what has come is journaled, or it rests again."""
        w, (h, name) = self.world, what
        run = w.bus.slot(h.slot).runs[h.run]
        known = run.waits[name]
        awaited = [Awaited(MODELS[e.event], dict(e.match)) for e in known.events]
        entry = run.body["entry"] if run.body else text(h.entry)
        came = self._comes_to_it(h, entry, name, awaited, all=known.all, timeout=0, look_back=None)
        should = waits.outcome(w.bus, known)
        if isinstance(came, Park):
            w.same(f"{h} comes to its wait", "it rests", "it rests" if should is None else should)
            self._rest(h, name, came, known, True)
            return
        w.same(f"{h} hears", [parsed(a["entry"]) if a else None for a in came], should)
        void = ["wait", f"w:{name}", *(f"a:{name}:{number}" for number in range(len(awaited)))]
        self._journal(h, name, json.dumps([a["entry"] if a else None for a in came]), void)

    def _comes_to_it(self, h: Hand, entry: str, name: str, awaited: list[Awaited[Any]], **how: Any) -> Any:
        """What the real code makes of it: the events that came, or Park."""
        try:
            return self.world.do(self._real(h, entry).outcome(name, awaited, **how))
        except Park as park:
            return park

    def _real(self, h: Hand, entry: str) -> RealWaiting:
        w = self.world
        flat = w.do(w.store.call("HGETALL", w.keys.slot(h.slot).run(h.run)))
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        return RealWaiting(
            w.delivery(h), w.outbox.waits, frozenset(MODELS), record, entry, w.bus.now, lambda: w.bus.now
        )

    def _rest(self, h: Hand, name: str, park: Park, waiting: Waiting, delivered: bool) -> None:
        w = self.world
        items = [{k: v for k, v in asdict(item).items() if v} for item in park.items]
        call = w.runs.park(
            w.delivery(h), state="waiting", channel="nudges", delay_ms=park.delay_ms, at_ms=park.at_ms, step=name,
            waits_for=park.waits_for, items=park.items,
        )  # fmt: skip
        waiting.text = park.waits_for
        delay = waiting.until - w.bus.now
        should = runs.park(w.bus, h, "waiting", delay=delay, name=name, items=items, waiting=waiting)
        answer = w.same(f"{h} waits", w.told(w.do(call)), should)
        if isinstance(answer, int):
            w.ledger.parked(h, "waiting", answer)
            for item in items if delivered else []:
                w.deliver(h.slot, item["id"], done=True)
        w.hands[h] = "over"

    def _journal(self, h: Hand, name: str, result: str, void: list[str]) -> None:
        w = self.world
        answer = w.told(w.do(w.runs.step(w.delivery(h), name, result.encode(), void=void)))
        w.same(f"{h} journals {name}", answer, runs.step(w.bus, h, name, result, None, ends_wait=True))
        if isinstance(answer, str):
            w.ledger.stepped(h, name, answer)

    @act(8, "waits", slot=lambda world: unheard(world), consumer=st.sampled_from(WORKERS), dies=st.booleans())
    def match(self, slot: str, consumer: str, dies: bool) -> None:
        """The system's own group reads an event, and tells the runs that wait for it; or dies on the way."""
        w = self.world
        stream = w.keys.slot(slot).stream
        answer = w.do(w.store.call("XREADGROUP", "GROUP", waits.GROUP, consumer, "COUNT", 1, "STREAMS", stream, ">"))
        got = [parsed(entry) for entry, _ in answer[0][1]]
        w.same("the waits' group reads", got, w.read_for_waits(slot, consumer))
        self._tell(slot, consumer, got[0], dies)

    @act(2, "waits", what=lambda world: half_told(world), consumer=st.sampled_from(WORKERS), dies=st.booleans())
    def match_again(self, what: tuple[str, Id], consumer: str, dies: bool) -> None:
        """What a matcher that died had read is followed up by another."""
        w, (slot, _) = self.world, what
        w.advance(w.bounds.lease)
        page = w.page(slot, waits.GROUP, False, consumer, (0, 0), 10, w.bus.now)
        for entry in page[0] if isinstance(page, tuple) else []:
            self._tell(slot, consumer, entry, dies)

    def _tell(self, slot: str, consumer: str, entry: Id, dies: bool) -> None:
        w = self.world
        raw = w.do(w.store.call("XRANGE", w.keys.slot(slot).stream, text(entry), text(entry)))
        found = Found(text(entry), dict(zip(raw[0][1][::2], raw[0][1][1::2], strict=True)))
        waits_ = w.dying.waits if dies else w.outbox.waits
        unused = cast(Any, None)  # the loop's: what is on trial is what becomes of one entry
        matcher = Matcher(
            w.keys.slot(slot), consumer, 0, w.bounds.lease, waits_, w.runs, unused, w.told_facts, unused, unused
        )
        told = w.do(matcher.match(found))
        w.same(f"{slot} {text(entry)} is told", told, waits.match(w.bus, slot, consumer, entry, dies=dies))


def _since(w: World, h: Hand, entry: Id, event: str, look_back: int | None) -> Id:
    """From which entry on an event counts: not before the run's own, or as far back as it asks for."""
    if look_back is not None:
        return w.bus.now - look_back, 0
    return (entry[0], entry[1] + 1) if event == h.slot else (entry[0], 0)


def waiting_hands(world: World) -> list[tuple[Hand, str]]:
    found = []
    for hand in hands("working")(world):
        run = world.bus.slot(hand.slot).runs.get(hand.run)
        if run and run.claim == hand.claim:
            found += [(hand, name) for name in run.waits]
    return found


def unheard(world: World) -> list[str]:
    found = []
    for slot in (ORDER, PAID):
        events = world.bus.slot(slot).events
        group = events.groups.get(waits.GROUP)
        if group and any(entry > group.delivered for entry in events.entries):
            found.append(slot)
    return found


def half_told(world: World) -> list[tuple[str, Id]]:
    groups = [(slot, world.bus.slot(slot).events.groups.get(waits.GROUP)) for slot in (ORDER, PAID)]
    return [(slot, entry) for slot, group in groups if group for entry in group.pending]
