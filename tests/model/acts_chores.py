"""The chores of any worker: promotion, outboxes, trimming, auditing, permits, schedules; operators; and faults."""

from __future__ import annotations

from hypothesis import strategies as st

from joelclaw_bus.pauses import pause
from joelclaw_bus.run_names import run_id
from joelclaw_bus.slot_calls import Early, Superseded
from tests.model.base import Base, act
from tests.model.shop import BILL, GROUPS, KEY, LIMITS, ORDER, PACK, PAID, TTL, WORKERS
from tests.model.spec import cron, letters, moves, permits, streams
from tests.model.spec.nouns import HOUR, MINUTE, Hand, Id, parsed, text
from tests.model.world import World
from tests.model.writes import redrive

WORKER = st.sampled_from(WORKERS)
SLOT = st.sampled_from([ORDER, PAID])
FUNCTION = st.sampled_from([fn for _, fn in GROUPS])
ALL_SLOTS = [ORDER, PAID, *(f"fn/{fn}" for fn, _ in LIMITS)]
CRON = f"cron/{PACK}"
SCHEDULE = f"{PACK}#0"
SILENT = 2 * HOUR


def in_outboxes(world: World) -> list[tuple[str, str]]:
    return [(slot, name) for slot in ALL_SLOTS for name in world.bus.slot(slot).outbox]


def on_ready_streams(world: World) -> list[tuple[str, str, Id]]:
    return [(slot, fn, entry) for slot, fn in GROUPS for entry in world.bus.slot(slot).ready[fn].entries]


def resting(world: World) -> list[tuple[str, str]]:
    return [(slot, member) for slot in (ORDER, PAID) for member in world.bus.slot(slot).due if member[0] == "r"]


class ChoreActs(Base):
    @act(4, slot=SLOT)
    def promote(self, slot: str) -> None:
        w = self.world
        answer = w.do(w.calls.promote(w.keys.slot(slot)))
        w.same(f"promote {slot}", (answer.moved, answer.head_ms), streams.promote(w.bus, slot))

    @act(2, slot=st.sampled_from(ALL_SLOTS))
    def take_letters(self, slot: str) -> None:
        w = self.world
        taken = w.do(w.calls.outbox_take(w.keys.slot(slot), 5_000))
        told = [(item.id, tries) for item, tries in taken.items]
        w.same(f"take the letters of {slot}", told, letters.take(w.bus, slot, 5_000))

    @act(2, what=in_outboxes, there=st.sampled_from([True, True, False]))
    def count_a_try(self, what: tuple[str, str], there: bool) -> None:
        """What a sweep does before it sends; somebody else may have delivered the item in between."""
        w, slot, name = self.world, what[0], what[1] if there else "delivered"
        told = w.do(w.calls.outbox_try(w.keys.slot(slot), name))
        w.same(f"count a try of {name}", told, letters.count(w.bus, slot, name))

    @act(5, what=in_outboxes, done=st.booleans())
    def deliver(self, what: tuple[str, str], done: bool) -> None:
        """A letter is delivered, by whomever; or delivered, and its deliverer dies before it can be deleted."""
        self.world.deliver(*what, done=done)

    @act(2, slot=SLOT)
    def trim(self, slot: str) -> None:
        w = self.world
        answer = w.do(w.calls.housekeep(w.keys.slot(slot)))
        w.same(f"trim {slot}", answer, streams.trim(w.bus, slot))

    @act(2, "faults", slot=SLOT)
    def audit(self, slot: str) -> None:
        self.world.audit(slot)

    @act(1, "faults", what=on_ready_streams)
    def lose_a_ready_entry(self, what: tuple[str, str, Id]) -> None:
        """A fault from outside, which the auditor heals."""
        w, (slot, fn, entry) = self.world, what
        w.do(w.store.call("XDEL", w.keys.slot(slot).ready(fn), text(entry)))
        streams.delete(w.bus.slot(slot).ready[fn], entry)

    @act(1, "faults", what=resting)
    def lose_a_due_time(self, what: tuple[str, str]) -> None:
        """A fault from outside, which the auditor heals."""
        w, (slot, member) = self.world, what
        w.do(w.store.call("ZREM", w.keys.slot(slot).due, member))
        del w.bus.slot(slot).due[member]

    @act(1, "faults", group=st.sampled_from(GROUPS), ready=st.sampled_from([False, False, True]))
    def lose_a_group(self, group: tuple[str, str], ready: bool) -> None:
        """A fault from outside. Its reader makes it anew where the marks say it was: what came after comes again."""
        w, (slot, fn) = self.world, group
        w.do(w.store.call("XGROUP", "DESTROY", w.stream_key(slot, fn, ready), fn))
        streams.lose_group(w.bus, slot, fn, ready=ready)
        answer = w.do(w.calls.ensure_group(w.keys.slot(slot), fn))
        code, mark = w.same(f"{fn} is made anew", answer[:2], streams.register(w.bus, slot, fn, HOUR))
        if not ready:
            assert code == 2, "a loss that is not told"
            w.ledger.group_lost(slot, fn, parsed(mark))

    @act(1, "permits", h=lambda world: with_permits(world))
    def keep_a_permit(self, h: Hand) -> None:
        w, how_long, exclusive = self.world, TTL[h.fn] or self.world.bounds.lease, h.fn == BILL
        answer = w.do(w.keep_permit(h, how_long, exclusive=exclusive))
        should = permits.keep(w.bus, h.fn, KEY, h.member, how_long=how_long, claim=h.claim, exclusive=exclusive)
        if w.same(f"{h} keeps its permit", answer, should) and exclusive:
            w.ledger.is_at_work(h, w.bus.now + how_long)

    @act(1, "permits", fn=st.sampled_from([fn for fn, _ in LIMITS]))
    def free_permits_of_ended_runs(self, fn: str) -> None:
        """What a refused run does: a permit that was lost on the way back is given to the next."""
        self.world.free_permits(fn)

    @act(2, "cron", scheduler=WORKER, expression=st.sampled_from(["each hour", "each minute"]), anew=st.booleans())
    def register_schedule(self, scheduler: str, expression: str, anew: bool) -> None:
        """A scheduler says what it stands for: from the start, or with what it knew before."""
        w, knew = self.world, {} if anew else self.world.schedulers.get((scheduler, expression), {})
        how = {"generation": knew.get("generation", 0), "mark": knew.get("mark", 0), "first": knew.get("first", 0)}
        call = w.calls.register_schedule(
            w.keys.slot(CRON), SCHEDULE, expression, generation=how["generation"], mark_ms=how["mark"],
            first_us=how["first"], silent_ms=SILENT,
        )  # fmt: skip
        answer = w.do(call)
        told = (answer.generation, answer.mark_ms, answer.first_us, answer.ours, answer.lost)
        w.same("register a schedule", told, cron.register(w.bus, CRON, SCHEDULE, expression, **how, silent=SILENT))
        w.schedulers[scheduler, expression] = {"generation": told[0], "mark": told[1], "first": told[2]}

    @act(
        3,
        "cron",
        who=lambda world: sorted(world.schedulers),
        ahead=st.sampled_from([-1, 1, 1, 2, 61]),
        passes=st.sampled_from([False, False, True]),
    )
    def tick(self, who: tuple[str, str], ahead: int, passes: bool) -> None:
        """A scheduler enqueues an instant so many minutes after the mark it knows; or lets it pass."""
        w, knew = self.world, self.world.schedulers[who]
        nominal = knew["mark"] + ahead * MINUTE
        data = None if passes else f'{{"nominalMs":{nominal}}}'
        fields = {b"data": data.encode()} if data else None
        answer = w.do(w.calls.tick(w.keys.slot(CRON), SCHEDULE, knew["generation"], nominal, fields))
        told = {Early: "early", Superseded: "superseded"}.get(type(answer), answer)
        w.same(f"tick {nominal}", told, cron.tick(w.bus, CRON, SCHEDULE, knew["generation"], nominal, data))
        if told is True:
            w.ledger.ticked(nominal)
        if isinstance(told, bool):
            knew["mark"] = max(knew["mark"], nominal)

    @act(1, "operators", fn=FUNCTION, ms=st.sampled_from([0, 10 * MINUTE]))
    def pause(self, fn: str, ms: int) -> None:
        w = self.world
        until = w.bus.now + ms if ms else 0
        w.do(pause(w.store, fn, owner="ann", reason="to see", until_ms=until))
        w.bus.pauses[fn] = until

    @act(2, "operators", fn=FUNCTION)
    def resume(self, fn: str) -> None:
        self.world.resume(fn)

    @act(2, "operators", what=lambda world: every_run(world))
    def cancel(self, what: tuple[str, str]) -> None:
        w, (slot, run) = self.world, what
        answer = w.do(w.orders.cancel(w.keys.slot(slot), run, "not wanted"))
        told = w.same(f"cancel {run}", (answer.done, answer.was), moves.cancel(w.bus, slot, run, "not wanted"))
        if told[0]:
            w.ledger.cancelled(slot, run)

    @act(1, "operators", what=lambda world: with_letters(world), from_start=st.booleans())
    def redrive(self, what: tuple[str, str, Id], from_start: bool) -> None:
        """A letter names a run, which may have been opened again since, by another one."""
        redrive(self.world, *what, from_start=from_start)

    @act(1, "operators", what=lambda world: every_run(world), from_start=st.booleans())
    def redrive_without_a_letter(self, what: tuple[str, str], from_start: bool) -> None:
        """Somebody replayed or dropped it meanwhile."""
        redrive(self.world, *what, (1, 1), from_start=from_start)

    @act(2, "operators", what=lambda world: first_entries(world))
    def cancel_unread(self, what: tuple[str, str, Id]) -> None:
        """An operator has looked, and nobody had begun it; by now somebody may have, or it may be over."""
        w, (slot, fn, entry) = self.world, what
        event_id = w.bus.slot(slot).events.entries[entry].get("id", "")
        run = run_id(fn, event_id or text(entry), given=bool(event_id))
        answer = w.do(w.orders.cancel_unread(w.keys.slot(slot), run, text(entry), "not wanted"))
        should = moves.cancel_unread(w.bus, slot, fn, run, entry, "not wanted")
        if w.same(f"cancel {run} unread", (answer.done, answer.was), should)[0]:
            w.ledger.cancelled(slot, run)

    @act(1, "cron")
    def lose_the_schedule(self) -> None:
        """A fault from outside: what its schedulers still know goes on."""
        w = self.world
        w.do(w.store.call("DEL", w.keys.slot(CRON).cron))
        w.bus.slot(CRON).schedules.clear()


def every_run(world: World) -> list[tuple[str, str]]:
    return [(slot, run) for slot in (ORDER, PAID) for run in world.bus.slot(slot).runs]


def with_letters(world: World) -> list[tuple[str, str, Id]]:
    return [
        (slot, fields["run"], entry)
        for slot in (ORDER, PAID)
        for entry, fields in world.bus.slot(slot).dead.entries.items()
        if fields.get("kind") == "run"
    ]


def first_entries(world: World) -> list[tuple[str, str, Id]]:
    """What an id is looked up to: the first entry that has it."""
    found = []
    for slot, fn in GROUPS:
        state = world.bus.slot(slot)
        for entry, fields in state.events.entries.items():
            first = state.ids.get(fields.get("id", ""), (entry, 0))[0]
            found += [(slot, fn, entry)] if first in (entry, None) else []
    return found


def with_permits(world: World) -> list[Hand]:
    return [hand for hand in world.hands if hand.claim in world.permits]
