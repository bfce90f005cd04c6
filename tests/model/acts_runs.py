"""What workers do with the deliveries in their hands, those included that were theirs once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.model.base import Base, act, hands
from tests.model.shop import BILL, KEY, LIMITS
from tests.model.spec import streams
from tests.model.spec.nouns import HOUR, MINUTE, Hand
from tests.model.world import World
from tests.model.writes import WRITES, Writes, sent, zombie_writes

DELAY = st.sampled_from([0, MINUTE, HOUR])
STEADY = st.sampled_from([True, True, False])
STEPS = ["look", "act", "tell", "rest", "last"]
STEP = st.sampled_from(STEPS)


class RunActs(Base):
    @property
    def writes(self) -> Writes:
        return Writes(self.world)

    @act(5, h=hands("read", "fresh"))
    def begin(self, h: Hand) -> None:
        self.world.begin(h)

    @act(3, h=hands("fresh"))
    def go_without_a_fence(self, h: Hand) -> None:
        self.world.hands[h] = "working"

    @act(6, h=hands("working"), name=STEP, result=st.sampled_from(["1", "2", f'"{"x" * 250}"']), sends=st.booleans())
    def step(self, h: Hand, name: str, result: str, sends: bool) -> None:
        self.writes.step(h, name, result, sent(h, name) if sends else None)

    @act(4, h=hands("working"), name=STEP, delay=DELAY)
    def sleep(self, h: Hand, name: str, delay: int) -> None:
        self._settled(h, self.writes.park(h, "due", delay, step=name))

    @act(2, h=hands("working"), delay=DELAY)
    def retry(self, h: Hand, delay: int) -> None:
        self._settled(h, self.writes.park(h, "due", delay, error=f"{h.claim} failed"))

    @act(
        4,
        h=hands("working"),
        status=st.sampled_from(["completed", "failed", "skipped"]),
        keep=st.booleans(),
        sends=st.booleans(),
    )
    def finish(self, h: Hand, status: str, keep: bool, sends: bool) -> None:
        self._settled(h, self.writes.finish(h, status, keep=keep, items=[sent(h, "end")] if sends else []))

    @act(3, h=hands("poisoned"))
    def end_a_poisoned_run(self, h: Hand) -> None:
        self._settled(h, self.writes.finish(h, "failed", keep=True, items=[]))

    @act(3, h=hands("spoilt"))
    def bury(self, h: Hand) -> None:
        self._settled(h, self.writes.bury(h))

    @act(4, h=lambda world: over(world), how=WRITES, name=STEP)
    def zombie(self, h: Hand, how: str, name: str) -> None:
        """Who was told that it is over, or settled it already, tries again."""
        zombie_writes(self.writes, h, how, name)

    @act(1, h=lambda world: over(world))
    def begin_again(self, h: Hand) -> None:
        """A delivery that comes a second time to a worker that dealt with it."""
        if self.world.begin(h)[0] in ("dropped", "refused"):
            self.world.hands[h] = "over"

    @act(5, "permits", h=lambda world: limited(world), line_up=st.booleans(), steady=STEADY)
    def ask_for_a_permit(self, h: Hand, line_up: bool, steady: bool) -> None:
        self.writes.ask(h, line_up=line_up, steady=steady)

    @act(5, "permits", h=lambda world: _refused(world), delay=DELAY)
    def hold(self, h: Hand, delay: int) -> None:
        self._settled(h, self.writes.park(h, "held", delay))

    @act(3, "permits", h=lambda world: [h for h in over(world) if h.fn == BILL and world.permits.get(h.claim)])
    def give_its_permit_back(self, h: Hand) -> None:
        """A worker whose handler has stopped, after its run was ended from outside."""
        self.writes.give_back(h)

    @act(2, "takeovers", h=hands("working", "read", "fresh"))
    def renew(self, h: Hand) -> None:
        w = self.world
        lost = w.do(w.renew(h))
        w.same(f"renew {h}", lost, streams.renew(w.bus, w.bus.source(h), h.fn, h.consumer, [h.entry]))

    def _settled(self, h: Hand, answer: Any) -> None:
        if not (isinstance(answer, tuple) and answer[0] == "limit"):
            self.world.hands[h] = "over"


def _refused(world: World) -> list[Hand]:
    return [h for h in hands("working")(world) if world.permits.get(h.claim) is False]


def limited(world: World) -> list[Hand]:
    return [h for h in hands("working")(world) if (h.fn, KEY) in LIMITS]


def over(world: World) -> list[Hand]:
    return [hand for hand in hands("over")(world) if not hand.spoilt]
