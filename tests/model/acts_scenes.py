"""Short scenes that a walk of single acts would seldom come to: their parts must come one right after the other."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model.acts_chores import ChoreActs
from tests.model.acts_events import EventActs, delayed, room
from tests.model.acts_runs import DELAY, STEP, STEPS, RunActs, limited
from tests.model.base import act, hands
from tests.model.shop import BILL, ORDER, WORKERS
from tests.model.spec.nouns import HOUR, MINUTE, Hand
from tests.model.writes import WRITES, redrive, zombie_writes


class SceneActs(EventActs, RunActs, ChoreActs):
    @act(1, "time", when=room, what=lambda world: delayed(world))
    def publish_again_after_the_window(self, what: tuple[str, str]) -> None:
        """An event that still waits when its id is forgotten is known all the same."""
        self.world.advance(30 * HOUR)
        self.publish(*what, 0, "{}")

    @act(1, h=hands("working"))
    def take_every_step(self, h: Hand) -> None:
        """There are more than a run may have."""
        for name in STEPS:
            self.step(h, name, "1", False)

    @act(2, "operators", h=hands("working"), how=WRITES, name=STEP, from_start=st.booleans())
    def fail_and_be_redriven(self, h: Hand, how: str, name: str, from_start: bool) -> None:
        """A run fails and is opened again; who ended it then writes once more, as one does who had no answer."""
        self.finish(h, "failed", True, False)
        letters = self.world.bus.slot(h.slot).dead.entries.items()
        for letter in [entry for entry, fields in letters if fields.get("run") == h.run][-1:]:
            redrive(self.world, h.slot, h.run, letter, from_start=from_start)
        zombie_writes(self.writes, h, how, name)

    @act(1, "permits", when=room, consumer=st.sampled_from(WORKERS), rests=st.booleans())
    def hand_over_too_soon(self, consumer: str, rests: bool) -> None:
        """Several runs ask for one permit; who has it ends, and it is handed on before the others rest."""
        w = self.world
        for _ in range(2):
            self.publish(ORDER, "", 0, "{}")
        self.read((ORDER, BILL), consumer, 10, True)
        crowd = [h for h in limited(w) if h.fn == BILL]
        refused = [h for h in crowd if not self.writes.ask(h)]
        for h in [h for h in crowd if h not in refused]:
            self.finish(h, "completed", True, False)
        for slot, name in [(slot, name) for slot, state in w.bus.slots.items() for name in state.outbox]:
            if name in w.bus.slot(slot).outbox:  # a release delivers the wake-up that it makes
                w.deliver(slot, name, done=True)
        for h in refused if rests else []:
            self.hold(h, HOUR)

    @act(2, "permits", h=lambda world: limited(world), consumer=st.sampled_from(WORKERS))
    def renew_a_permit_that_another_begin_has(self, h: Hand, consumer: str) -> None:
        """A run is delivered once more while its worker is alive, and its new begin asks for the permit."""
        w = self.world
        self.writes.ask(h)
        if w.bus.source(h).entries.get(h.entry) and h.entry in w.bus.source(h).groups[h.fn].pending:
            self.redeliver((h.slot, h.fn, h.ready, h.entry), consumer, True)
            newest = next(reversed(w.hands))
            if newest in limited(w):
                self.writes.ask(newest)
        self.keep_a_permit(h)

    @act(2, "operators", h=lambda world: limited(world), delay=DELAY)
    def cancel_at_rest(self, h: Hand, delay: int) -> None:
        """A run that waits for its permit, or keeps it while it rests, is cancelled: the permit goes to the next."""
        if self.writes.ask(h):
            self.retry(h, delay)
        else:
            self.hold(h, delay)
        if h.run in self.world.bus.slot(h.slot).runs:
            self.cancel((h.slot, h.run))

    @act(
        2,
        "operators",
        when=room,
        consumer=st.sampled_from(WORKERS),
        kept=st.booleans(),
        passes=st.booleans(),
        stops=st.booleans(),
    )
    def cancel_at_work(self, consumer: str, kept: bool, passes: bool, stops: bool) -> None:
        """Runs are cancelled while their handlers are at work, and the next of their key ask for the permit."""
        w = self.world
        for _ in range(2):
            self.publish(ORDER, "", 0, "{}")
        self.read((ORDER, BILL), consumer, 10, True)
        crowd = [h for h in limited(w) if h.fn == BILL]
        at_work = [h for h in crowd if self.writes.ask(h)]
        for h in at_work:
            self.cancel((h.slot, h.run))
        w.free_permits(BILL)
        if kept:
            w.advance(MINUTE)
        for h in at_work if kept else []:
            self.keep_a_permit(h)
        if passes:
            w.advance(w.bounds.lease)
        for h in at_work if stops else []:
            self.finish(h, "completed", True, False)
            self.writes.give_back(h)
        for h in crowd:
            if h not in at_work:
                self.writes.ask(h)
