"""The writes of one hand to its run, each compared with the specification and entered in the ledger."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.model.shop import BILL, KEY, LIMITS, PAID, TTL
from tests.model.spec import moves, permits, runs
from tests.model.spec.nouns import MINUTE, Hand, Id, text
from tests.model.world import World

Item = dict[str, Any]


def sent(h: Hand, step: str) -> Item:
    """What a step sends: the same item however often it is decided."""
    event_id = f"{h.run}:{step}"
    return {"id": f"event:{PAID}:{event_id}", "kind": "event", "target": PAID, "event_id": event_id, "data": "{}"}


def release(h: Hand) -> Item:
    """What gives a run's permit back: `bill` at its end, whichever begin took it; `pack` as often as it rests."""
    at_the_end = h.fn == BILL
    item: Item = {
        "id": f"release:{h.member}:{h.claim}",
        "kind": "release",
        "target": h.fn,
        "run": h.member,
        "permit": KEY,
    }
    item |= {"ttl_ms": TTL[h.fn], "claim": "" if at_the_end else h.claim, "by": h.claim if at_the_end else ""}
    item |= {"most": LIMITS[h.fn, KEY]}
    return {field: value for field, value in item.items() if value}


def given_back(world: World, h: Hand, *, rests: bool) -> list[Item]:
    return [release(h)] if (h.fn, KEY) in LIMITS and h.claim in world.permits and not (rests and h.fn == BILL) else []


def when_cancelled(h: Hand) -> Item:
    """What gives a resting run's permit back, and its place in the line, when somebody cancels it."""
    item = release(h) | {"id": f"release:{h.member}:cancelled"}
    return {field: value for field, value in item.items() if field != "claim"}


def given_up(world: World, h: Hand, state: str) -> bool:
    """Whether a cancel of this rest has something to give back."""
    return h.claim in world.permits and (state == "held" or (h.fn == BILL and world.permits[h.claim]))


class Writes:
    def __init__(self, world: World) -> None:
        self.world = world

    def step(self, h: Hand, name: str, result: str, item: Item | None) -> Any:
        w = self.world
        answer = w.told(w.do(w.runs.step(w.delivery(h), name, result.encode(), w.item(item) if item else None)))
        w.same(f"step {name} of {h}", answer, runs.step(w.bus, h, name, result, item))
        if isinstance(answer, str):
            w.ledger.stepped(h, name, answer)
        return answer

    def park(self, h: Hand, state: str, delay: int, *, step: str = "", error: str | None = None) -> Any:
        w = self.world
        w.ledger.stopped(h)
        items = given_back(w, h, rests=True) if state == "due" else []
        on_cancel = when_cancelled(h) if given_up(w, h, state) else None
        how: Any = {"attempts": 1, "error": error} if error is not None else {}
        call = w.runs.park(
            w.delivery(h),
            state=state,
            channel="nudges",
            delay_ms=delay,
            step=step,
            items=[w.item(i) for i in items],
            on_cancel=w.item(on_cancel) if on_cancel else None,
            **how,
        )
        answer = w.told(w.do(call))
        should = runs.park(w.bus, h, state, delay=delay, name=step, error=error, items=items, on_cancel=on_cancel)
        w.same(f"park {h} as {state}", answer, should)
        if isinstance(answer, int):
            # A park that is repeated gets the answer of the first, which may have been a wait.
            w.ledger.parked(h, w.bus.slot(h.slot).runs[h.run].state, answer)
            w.ledger.gave_way(h)
        return answer

    def finish(self, h: Hand, status: str, *, keep: bool, items: list[Item]) -> Any:
        w = self.world
        w.ledger.stopped(h)
        error = "it broke" if status == "failed" else ""
        items = items + given_back(w, h, rests=False)
        real = [w.item(item) for item in items]
        call = w.runs.finish(w.delivery(h), status=status, result=b'"end"', error=error, keep=keep, items=real)
        should = runs.finish(w.bus, h, status, result='"end"', error=error, keep=keep, items=items)
        answer = w.same(f"finish {h}", w.told(w.do(call)), should)
        if isinstance(answer, int):
            w.ledger.ended(h)
            w.ledger.gave_way(h)
        return answer

    def give_back(self, h: Hand) -> None:
        """Its handler has stopped and its outcome was not written: if its run is over, nobody else gives it back."""
        w, (slot, _, run) = self.world, h.member.partition("|")
        w.ledger.stopped(h)
        record = w.bus.slot(slot).runs.get(run)
        if not record or record.state == "ended":
            w.release(h.fn, h.member, by=h.claim)

    def bury(self, h: Hand) -> Any:
        w = self.world
        letter = {"kind": "entry", "error": "no JSON", "e:entry": text(h.entry), "function": h.fn}
        flat: list[Any] = [part for pair in letter.items() for part in pair]
        item = sent(h, "invalid")
        item |= {"id": f"invalid:{h.slot}:{text(h.entry)}", "event_id": f"invalid:{h.slot}:{text(h.entry)}"}
        answer = w.told(w.do(w.runs.bury(w.delivery(h), flat, [w.item(item)])))
        w.same(f"bury {h}", answer, runs.bury(w.bus, h, letter, [item]))
        if isinstance(answer, bool):
            w.ledger.set_aside.add((h.slot, h.fn, text(h.entry)))
        return answer

    def ask(self, h: Hand, *, line_up: bool = True, steady: bool = True) -> bool:
        """Its permit, for a run that has begun."""
        w, fn = self.world, h.fn
        at_work = w.bounds.lease if fn == BILL else 0
        how: Any = {"claim": h.claim, "line_up": line_up}
        at = w.bus.now if steady else None
        call = w.calls.acquire(fn, KEY, h.member, LIMITS[fn, KEY], TTL[fn], **how, at_ms=at, at_work_ms=at_work)
        answer, how = w.do(call), how | {"steady": steady, "at_work": at_work}
        should = permits.acquire(w.bus, fn, KEY, h.member, limit=LIMITS[fn, KEY], ttl=TTL[fn], **how)
        w.same(f"{h} asks for its permit", (answer.held, set(answer.holders), answer.rank), should)
        w.permits[h.claim] = answer.held
        if answer.held and fn == BILL:
            w.ledger.at_work(h, w.bus.now + at_work)
        return bool(answer.held)


WRITES = st.sampled_from(["step", "sleep", "retry", "hold", "finish"])


def zombie_writes(writes: Writes, h: Hand, how: str, name: str) -> None:
    """One more write of a hand that may have been told that it is over."""
    match how:
        case "step":
            writes.step(h, name, '"late"', sent(h, name))
        case "sleep":
            writes.park(h, "due", MINUTE, step=name)
        case "retry":
            writes.park(h, "due", MINUTE, error="late")
        case "hold":
            writes.park(h, "held", MINUTE)
        case _:
            writes.finish(h, "failed", keep=True, items=[sent(h, "late")])


def redrive(w: World, slot: str, run: str, letter: Id, *, from_start: bool) -> None:
    """An operator opens a failed run again."""
    answer = w.do(w.orders.redrive(w.keys.slot(slot), run, text(letter), from_start=from_start))
    should = moves.redrive(w.bus, slot, run, letter, from_start=from_start)
    if w.same(f"redrive {run}", (answer.done, answer.stands), should)[0]:
        w.ledger.redriven(slot, run)
