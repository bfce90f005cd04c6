"""The writes of one hand to its run, each compared with the specification and entered in the ledger."""

from __future__ import annotations

from typing import Any

from tests.model.spec import permits, runs
from tests.model.spec.nouns import Hand, text
from tests.model.world import BILL, KEY, LIMITS, PAID, TTL, World

Item = dict[str, Any]


def sent(h: Hand, step: str) -> Item:
    """What a step sends: the same item however often it is decided."""
    event_id = f"{h.run}:{step}"
    return {"id": f"event:{PAID}:{event_id}", "kind": "event", "target": PAID, "event_id": event_id, "data": "{}"}


def release(h: Hand) -> Item:
    """What gives a run's permit back: `bill` at its end, whichever begin took it; `pack` as often as it rests."""
    at_the_end = h.fn == BILL
    item = {"id": f"release:{h.member}:{h.claim}", "kind": "release", "target": h.fn, "run": h.member, "permit": KEY}
    item |= {"ttl_ms": TTL[h.fn], "claim": "" if at_the_end else h.claim, "most": LIMITS[h.fn, KEY]}
    return {field: value for field, value in item.items() if value}


def given_back(world: World, h: Hand, *, rests: bool) -> list[Item]:
    return [release(h)] if (h.fn, KEY) in LIMITS and h.claim in world.permits and not (rests and h.fn == BILL) else []


class Writes:
    def __init__(self, world: World) -> None:
        self.world = world

    def step(self, h: Hand, name: str, result: str, item: Item | None) -> Any:
        w = self.world
        answer = w.told(w.do(w.runs.step(w.delivery(h), name, result.encode(), w.item(item))))
        w.same(f"step {name} of {h}", answer, runs.step(w.bus, h, name, result, item))
        if isinstance(answer, str):
            w.ledger.stepped(h, name, answer)
        return answer

    def park(self, h: Hand, state: str, delay: int, *, step: str = "", error: str | None = None) -> Any:
        w = self.world
        items = given_back(w, h, rests=True) if state == "due" else []
        item = items[0] if items else None
        how: Any = {"attempts": 1, "error": error} if error is not None else {}
        call = w.runs.park(
            w.delivery(h), state=state, channel="nudges", delay_ms=delay, step=step, item=w.item(item), **how
        )
        answer = w.told(w.do(call))
        should = runs.park(w.bus, h, state, delay=delay, name=step, error=error, item=item)
        w.same(f"park {h} as {state}", answer, should)
        if isinstance(answer, int):
            w.ledger.parked(h, state, answer)
        return answer

    def finish(self, h: Hand, status: str, *, keep: bool, items: list[Item]) -> Any:
        w = self.world
        error = "it broke" if status == "failed" else ""
        items = items + given_back(w, h, rests=False)
        real = [w.item(item) for item in items]
        call = w.runs.finish(w.delivery(h), status=status, result=b'"end"', error=error, keep=keep, items=real)  # type: ignore[arg-type]  # none of them is None
        should = runs.finish(w.bus, h, status, result='"end"', error=error, keep=keep, items=items)
        answer = w.same(f"finish {h}", w.told(w.do(call)), should)
        if isinstance(answer, int):
            w.ledger.ended(h)
        return answer

    def bury(self, h: Hand) -> Any:
        w = self.world
        letter = {"kind": "entry", "error": "no JSON", "e:entry": text(h.entry), "function": h.fn}
        flat: list[Any] = [part for pair in letter.items() for part in pair]
        item = sent(h, "invalid")
        item |= {"id": f"invalid:{h.slot}:{text(h.entry)}", "event_id": f"invalid:{h.slot}:{text(h.entry)}"}
        answer = w.told(w.do(w.runs.bury(w.delivery(h), flat, [w.item(item)])))  # type: ignore[list-item]  # it is one
        w.same(f"bury {h}", answer, runs.bury(w.bus, h, letter, [item]))
        if isinstance(answer, bool):
            w.ledger.set_aside.add((h.slot, h.fn, text(h.entry)))
        return answer

    def ask(self, h: Hand, *, line_up: bool = True) -> bool:
        """Its permit, for a run that has begun."""
        w, fn = self.world, h.fn
        how: Any = {"claim": h.claim, "line_up": line_up}
        answer = w.do(w.calls.acquire(fn, KEY, h.member, LIMITS[fn, KEY], TTL[fn], **how))
        should = permits.acquire(w.bus, fn, KEY, h.member, limit=LIMITS[fn, KEY], ttl=TTL[fn], **how)
        w.same(f"{h} asks for its permit", (answer.held, set(answer.holders), answer.rank), should)
        w.permits[h.claim] = answer.held
        return bool(answer.held)
