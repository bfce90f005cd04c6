"""Each kind of key of `keys.py` is deleted or altered, one at a time: what broke is named, its runs end or go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, Publisher, SlotCalls, Step, Store, event
from joelclaw_bus.audit import told as told_room
from joelclaw_bus.audit.calls import IDS_LOST, IDS_THERE
from joelclaw_bus.audit.judge import RECORD_FORMAT
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.key_kinds import _BUS_KINDS, _KINDS
from joelclaw_bus.observer import AuditFound, RunEnded, RunParked, Stuck, Unstuck
from joelclaw_bus.slot_calls import Superseded
from joelclaw_bus.store import Arg, Command
from tests.support.audit import Audit, rules_of
from tests.support.open_work import ASK, Asked, OpenWork, Told, functions
from tests.support.seen import Seen
from tests.support.waiting import later, until
from tests.support.workers import working

FAR = 9_999_999_999_999
GHOST = "test/ask:ghost"


@dataclass(frozen=True)
class Case:
    """`rules`: what must be named, '' nothing: then `why` says that nothing is owed. `gone`: runs that can't go on."""

    row: str
    what: str
    harm: Callable[[OpenWork], Awaitable[list[Command]]]
    rules: str
    why: str = ""
    gone: tuple[str, ...] = ()


def case(
    row: str, what: str, command: Callable[[OpenWork], Command], rules: str, why: str = "", gone: tuple[str, ...] = ()
) -> Case:
    async def harm(w: OpenWork) -> list[Command]:
        return [command(w)]

    return Case(row, what, harm, rules, why, gone)


def entry_case(
    row: str, what: str, command: Callable[[OpenWork, str], Command], of: str, rules: str, gone: tuple[str, ...] = ()
) -> Case:
    async def harm(w: OpenWork) -> list[Command]:
        return [command(w, await w.entry_of(of))]

    return Case(row, what, harm, rules, gone=gone)


def record_deleted(name: str) -> Callable[[OpenWork], Command]:
    return lambda w: ("DEL", w.record(name))


def field_deleted(name: str, field: str) -> Callable[[OpenWork], Command]:
    return lambda w: ("HDEL", w.record(name), field)


def row_deleted(row: str) -> Callable[[OpenWork], Command]:
    return lambda w: ("DEL", w.store.keys.bus.key(row))


WAITS = {"waits", "waits items", "waits index"}
"""Told apart below: what they owe is another slot's."""
WRITTEN_AGAIN = "the next heartbeat writes it again"
CASES = [
    case("event stream", "deleted", lambda w: ("DEL", w.slot.stream), "entry-lost", gone=("dies", "executes")),
    case("event stream", "group lost", lambda w: ("XGROUP", "DESTROY", w.slot.stream, ASK), "group-lost"),
    entry_case("event stream", "acknowledged", lambda w, e: ("XACK", w.slot.stream, ASK, e), "dies", "acknowledged"),
    case("ready", "deleted", lambda w: ("DEL", w.slot.ready(ASK)), "entry-lost"),
    case("ready", "group lost", lambda w: ("XGROUP", "DESTROY", w.slot.ready(ASK), ASK), "ready-group-lost"),
    entry_case("ready", "entry lost", lambda w, e: ("XDEL", w.slot.ready(ASK), e), "woken", "entry-lost"),
    entry_case("ready", "acknowledged", lambda w, e: ("XACK", w.slot.ready(ASK), ASK, e), "dies_later", "acknowledged"),
    *(
        case("run", f"{name} deleted", record_deleted(name), "record-lost")
        for name in ("rests", "woken", "dies", "dies_later", "holder", "waiter")
    ),
    *(
        case("run", f"{name} without {f}", field_deleted(name, f), rule)
        for name, f, rule in (
            ("rests", "due", "no-time"),
            ("waiter", "due", "no-time"),
            ("rests", "state", "state-lost"),
            ("woken", "state", "state-lost"),
            ("dies", "state", "state-lost"),
            ("woken", "at", "no-entry"),
            ("dies", "at", "no-entry"),
            ("rests", "fn", "fields-lost"),
            ("woken", "v", "fields-lost"),
            ("rests", "e:data", "body-lost"),
            ("woken", "e:data", "body-lost"),
        )
    ),
    case("run", "format spoilt", lambda w: ("HSET", w.record("woken"), "v", "x"), "fields-lost"),
    case("run", "due spoilt", lambda w: ("HSET", w.record("rests"), "due", "soon"), "due-at-other"),
    case("run", "expires while open", lambda w: ("PEXPIRE", w.record("rests"), 3_600_000), "open-expires"),
    case("run", "kept for ever", lambda w: ("PERSIST", w.record("over")), "ended-kept"),
    case("open", "deleted", lambda w: ("DEL", w.slot.open), "unlisted"),
    case("open", "a name lost", lambda w: ("ZREM", w.slot.open, w.runs["rests"]), "unlisted"),
    case("open", "a stranger", lambda w: ("ZADD", w.slot.open, 1, GHOST), "record-lost"),
    case("open", "one that ended", lambda w: ("ZADD", w.slot.open, 1, w.runs["over"]), "ended-open"),
    case(
        "ended", "deleted", lambda w: ("DEL", w.slot.ended), "", "a list for people; the records expire by themselves"
    ),
    case("due", "deleted", lambda w: ("DEL", w.slot.due), "never-due event-never-due"),
    case("due", "a run lost", lambda w: ("ZREM", w.slot.due, "r:" + w.runs["rests"]), "never-due"),
    case("due", "a held run lost", lambda w: ("ZREM", w.slot.due, "r:" + w.runs["waiter"]), "never-due"),
    case("due", "an event lost", lambda w: ("ZREM", w.slot.due, "e:later"), "event-never-due"),
    case("due", "put off", lambda w: ("ZADD", w.slot.due, FAR, "r:" + w.runs["rests"]), "due-at-other"),
    case("due", "a stranger", lambda w: ("ZADD", w.slot.due, FAR, f"r:{GHOST}"), "due-without-run"),
    case("due items", "deleted", lambda w: ("DEL", w.slot.due_items), "event-lost"),
    case("outbox", "deleted", lambda w: ("DEL", w.slot.outbox), "item-unlisted"),
    case("outbox items", "deleted", lambda w: ("DEL", w.slot.outbox_items), "item-lost"),
    case("outbox items", "tries left", lambda w: ("HSET", w.slot.outbox_items, "#ghost", 3), "tries-left"),
    case("dead", "deleted", lambda w: ("DEL", w.slot.dead), "", "letters are for operators, who delete them too"),
    case("buried", "kept for ever", lambda w: ("PERSIST", w.slot.buried("1-1")), "never-expires"),
    case("ids", "deleted", lambda w: ("DEL", w.slot.ids), "ids-unlisted"),
    case("ids", "kept for ever", lambda w: ("PERSIST", w.slot.ids), "never-expires"),
    case("ids of a generation", "deleted", lambda w: ("DEL", w.slot.ids + ":1"), "ids-lost"),
    case("ids of a generation", "kept for ever", lambda w: ("PERSIST", w.slot.ids + ":1"), "never-expires"),
    case("ids", "deleted with all generations", lambda w: ("DEL", w.slot.ids, w.slot.ids + ":1"), "ids-lost"),
    case("marks", "deleted", lambda w: ("DEL", w.slot.marks), "marks-lost"),
    case("claimer", "held for ever", lambda w: ("SET", w.slot.claimer(ASK), "dead-worker"), "never-expires"),
    case("auditor", "held for ever", lambda w: ("SET", w.slot.auditor, "dead-worker"), "never-expires"),
    case("confirmed", "kept for ever", lambda w: ("SET", w.slot.key("confirmed"), ""), "never-expires"),
    case("cron", "deleted", lambda w: ("DEL", w.slot.cron), "", "its scheduler tells it (test_cron)"),
    case("permits", "deleted", lambda w: ("DEL", w.permits_slot.permits("")), "permit-lost"),
    case(
        "permits",
        "of a run that is over",
        lambda w: ("ZADD", w.permits_slot.permits(""), "+inf", f"a|{GHOST}"),
        "permit-left",
    ),
    case("claims", "deleted", lambda w: ("DEL", w.permits_slot.claims("")), "claim-lost"),
    case("claims", "a stranger", lambda w: ("HSET", w.permits_slot.claims(""), f"a|{GHOST}", "c"), "claim-left"),
    case(
        "waiters", "deleted", lambda w: ("DEL", w.permits_slot.waiters("")), "", "who waits asks again when it is due"
    ),
    case(
        "waiters",
        "of a run that is over",
        lambda w: ("ZADD", w.permits_slot.waiters(""), 1, f"a|{GHOST}"),
        "waiter-left",
    ),
    case(
        "debounce",
        "deleted",
        lambda w: ("DEL", w.starts_slot.window("")),
        "",
        "a run that waits for quiet and finds no window counts as the last",
    ),
    case(
        "rate",
        "starts deleted",
        lambda w: ("DEL", w.starts_slot.starts("")),
        "",
        "who has started is not asked for again; a period's starts are forgotten at most",
    ),
    case(
        "rate",
        "line and turns deleted",
        lambda w: ("DEL", w.starts_slot.line(""), w.starts_slot.turns("")),
        "",
        "who waits for its turn asks again when it is due",
    ),
    case(
        "pauses",
        "deleted",
        lambda w: ("DEL", w.store.keys.pauses),
        "",
        "no pause, no hold: what operators do to resume",
    ),
    case("identity", "deleted", row_deleted("identity"), "", "the next joelclaw up tells it"),
    case("slots", "deleted", lambda w: ("DEL", w.store.keys.slots), "slot-unregistered"),
    *(
        case(row, "deleted", row_deleted(row), "", WRITTEN_AGAIN)
        for row in ("functions", "workers", "services", "sweeper")
    ),
]


def test_every_kind_of_key_has_its_case() -> None:
    rows = {row or form.pattern.removesuffix(r"\Z") for form, row, _ in _KINDS}
    kinds = {part for row in rows for part in row.partition(")")[0].strip("()").split("|")}
    missing = (kinds | set(_BUS_KINDS) | {"event stream"}) - {c.row for c in CASES} - WAITS
    assert missing == set()


@pytest.fixture
async def work(one_store: Store) -> OpenWork:
    work = OpenWork(one_store)
    await work.prepare()
    return work


def test_the_judge_knows_the_format_that_the_scripts_write() -> None:
    from joelclaw_bus.script import load_script

    assert f"local RECORD_FORMAT = {RECORD_FORMAT}\n" in load_script("joelclaw_bus", "begin").text
    assert f"local IDS_THERE, IDS_LOST = '{IDS_THERE}', '{IDS_LOST}'\n" in load_script("joelclaw_bus", "publish").text


async def test_a_store_with_a_run_in_every_state_is_sound(work: OpenWork) -> None:
    assert await Audit(work.store, work.slot, work.permits_slot).once() == []
    assert len(await work.open()) == 7


async def test_a_permit_is_no_leak_while_the_handler_of_its_run_may_be_at_work(work: OpenWork) -> None:
    permits, claims = work.permits_slot.permits(""), work.permits_slot.claims("")
    ended, now = f"a|{GHOST}", await work.store.time_ms()
    audit = Audit(work.store, work.slot, work.permits_slot)
    await work.store.call("ZADD", permits, "+inf", ended)
    await work.store.call("HSET", claims, ended, f"its-begin {now + 3_600_000}")
    assert await audit.once() == []
    await work.store.call("HSET", claims, ended, f"its-begin {now}")
    assert rules_of(await audit.once()) == {"permit-left": 1}
    assert await work.store.calls([("ZSCORE", permits, ended), ("HGET", claims, ended)]) == [None, None]


@pytest.mark.parametrize("c", CASES, ids=lambda c: f"{c.row}: {c.what}")
async def test_what_was_harmed_is_named_and_its_runs_end_or_go_on(work: OpenWork, c: Case) -> None:
    slots = () if c.row == "slots" else (work.slot, work.permits_slot)
    audit = Audit(work.store, *slots, takes_turns=c.row != "auditor")
    for command in await c.harm(work):
        answer = await work.store.call(*command)
        assert answer or c.row not in ("debounce", "rate"), "there was nothing to harm"
    # The second pass may name what the first made visible; the third has nothing more to say.
    found = [*await audit.once(), *await audit.once()]
    assert set(rules_of(found)) >= set(c.rules.split()), found
    assert bool(found) == bool(c.rules), f"{found} for {c.why}"
    assert await audit.once() == []
    await everything_ends(work, gone={work.runs[name] for name in c.gone})


async def everything_ends(work: OpenWork, gone: set[str]) -> None:
    """With workers there, every run ends: well, but for those that are `gone`."""
    got: list[int] = []

    async def all_ended() -> bool:
        return not await work.open()

    async with working(work.store, functions(got), lease_ms=600, fallback_ms=200, chores=0.1) as seen:
        await until(all_ended)
    states = {run: await work.store.call("HGET", work.slot.run(run), "status") for run in work.runs.values()}
    assert {run for run, status in states.items() if status == b"failed"} <= gone
    assert {f.run for f in seen.all(RunEnded) if f.status == "failed"} <= gone


async def test_what_cannot_be_repaired_is_named_once_and_again_only_when_it_comes_back(work: OpenWork) -> None:
    audit, record = Audit(work.store, work.slot, work.permits_slot), work.record("rests")
    await work.store.call("HSET", record, "v", RECORD_FORMAT + 1)
    await work.store.call("HSET", work.record("woken"), "state", "dreaming")
    found = await audit.once()
    assert {(f.rule, f.names, f.remedy) for f in found} == {
        ("newer-format", (work.runs["rests"],), "left"),
        ("unknown-state", (work.runs["woken"],), "left"),
    }
    assert await audit.once() == []
    await work.store.call("HSET", record, "v", RECORD_FORMAT)
    assert await audit.once() == []
    await work.store.call("HSET", record, "v", RECORD_FORMAT + 1)
    assert [f.rule for f in await audit.once()] == ["newer-format"]
    assert await work.store.call("HGET", record, "state") == b"due"


@pytest.mark.foreign_keys
async def test_in_a_rollout_each_open_run_of_a_newer_worker_is_told_once_and_its_ended_ones_never(
    work: OpenWork,
) -> None:
    audit, runs = Audit(work.store, work.slot, work.permits_slot), sorted(await work.open())
    for run in runs:
        await work.store.call("HSET", work.slot.run(run), "v", RECORD_FORMAT + 1)
    told = [name for f in await audit.once() for name in f.names if f.rule == "newer-format"]
    assert sorted(told) == runs
    for run in runs[:3]:  # as their own worker ends them
        await work.store.call("ZREM", work.slot.open, run)
        await work.store.call("PEXPIRE", work.slot.run(run), 60_000)
    assert [f for _ in range(3) for f in await audit.once() if f.rule == "newer-format"] == []


async def test_a_dedupe_index_that_was_lost_whole_and_begun_anew_since_is_told_once(store: Store) -> None:
    """By who publishes next nothing can be seen any more but what the slot's marks keep."""
    publisher, slot = Publisher(store), store.keys.slot("test/asked")
    await publisher.send(Asked(n=1), id="one")
    audit = Audit(store, slot)
    assert await audit.once() == []
    await store.call("DEL", slot.ids, slot.ids + ":1")
    assert not (await publisher.send(Asked(n=1), id="one")).duplicate, "nothing knows it any more"
    [found] = await audit.once()
    assert (found.slot, found.rule, found.names, found.remedy) == ("test/asked", "ids-lost", ("all",), "lost")
    assert await audit.once() == []
    assert (await publisher.send(Asked(n=1), id="one")).duplicate


async def test_a_dedupe_index_that_is_begun_anew_when_its_time_was_over_is_not_missed(store: Store) -> None:
    publisher, slot = Publisher(store, limits=Limits(dedupe_ms=200)), store.keys.slot("test/asked")
    await publisher.send(Asked(n=1), id="one")

    async def over() -> bool:
        return not await store.call("EXISTS", slot.ids)

    await until(over)
    await publisher.send(Asked(n=1), id="one")
    assert await Audit(store, slot).once() == []


async def test_marks_that_are_no_marks_keep_no_event_from_its_stream(one_store: Store) -> None:
    publisher, slot = Publisher(one_store), one_store.keys.slot("test/asked")
    await one_store.call("SET", slot.marks, "no marks")
    await publisher.send(Asked(n=1), id="one")
    assert (await publisher.send(Asked(n=1), id="one")).duplicate
    assert await one_store.call("XLEN", slot.stream) == 1
    await one_store.call("DEL", slot.marks)


def test_what_can_t_be_remembered_is_not_told_again_at_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_room, "MOST", 3)
    told, found = told_room.Told(), [f"newer-format {n}" for n in range(5)]
    passes = []
    for _ in range(3):
        passes.append([what for what in found if told.is_news("open", what)])
        told.passed("open")
    assert passes == [found[:3], [], []]


async def test_a_newer_record_that_nothing_would_wake_is_left_alone(work: OpenWork) -> None:
    await work.store.call("HSET", work.record("rests"), "v", RECORD_FORMAT + 1)
    await work.store.call("ZREM", work.slot.due, "r:" + work.runs["rests"])
    await Audit(work.store, work.slot).once()
    assert await work.store.call("ZSCORE", work.slot.due, "r:" + work.runs["rests"]) is None
    await work.store.call("HSET", work.record("rests"), "v", RECORD_FORMAT)
    assert rules_of(await Audit(work.store, work.slot).once())["never-due"] == 1


async def test_of_many_auditors_at_once_one_repairs_and_tells(work: OpenWork) -> None:
    auditors = [Audit(work.store, work.slot, work.permits_slot) for _ in range(4)]
    for harm in (("DEL", work.slot.due), ("DEL", work.slot.ready(ASK)), ("DEL", work.slot.open)):
        await work.store.call(*harm)
    told: list[AuditFound] = []

    async def one(auditor: Audit) -> None:
        told.extend(await auditor.once())

    async with anyio.create_task_group() as tasks:
        for auditor in auditors:
            tasks.start_soon(one, auditor)
    named = [(fact.rule, name) for fact in told for name in fact.names]
    assert len(named) == len(set(named)) == 8
    assert await Audit(work.store, work.slot, work.permits_slot).once() == []


async def test_a_dead_auditor_s_turn_ends(work: OpenWork) -> None:
    await work.store.call("SET", work.slot.auditor, "dead-worker", "PX", 200)
    await work.store.call("DEL", work.slot.open)
    audit = Audit(work.store, work.slot, takes_turns=False)
    await audit.auditor.pages.runs(work.slot)  # nothing is listed: only the walk could find them
    await later(work.store, 250)
    assert rules_of(await audit.once())["unlisted"] == 7


async def test_a_key_of_another_type_is_named_and_does_not_stop_the_rest(work: OpenWork) -> None:
    other = work.store.keys.slot(Told.event_name)
    await work.store.call("DEL", work.slot.due)
    await work.store.call("SET", work.slot.due, "a stranger's")
    await work.store.call("ZADD", other.open, 1, GHOST)
    audit = Audit(work.store, work.slot, other)
    found = await audit.once()
    assert {"wrong-type", "record-lost"} <= set(rules_of(found))
    assert [f.what for f in audit.seen.all(Stuck)] == ["audit"]
    await audit.once()
    assert audit.seen.all(Unstuck) == []
    await work.store.call("DEL", work.slot.due)
    assert rules_of(await audit.once())["never-due"] == 3
    await audit.once()  # its passes began while a page was refused; the next are whole ones
    assert audit.seen.all(Unstuck) == [Unstuck(work.slot.name, "audit")]
    assert [f.what for f in audit.seen.all(Stuck)] == ["audit"]


async def test_a_node_that_left_the_cluster_does_not_keep_the_walk_from_the_others(
    work: OpenWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is silent when its turn comes: that round ends there, the next one goes on with who there is then."""
    audit, call, names = Audit(work.store), work.store.call, ["", "gone"]

    async def node_names() -> list[str]:
        return list(names)

    async def answered(*command: Arg, node: str | None = None) -> Any:
        if node == "gone":
            raise StoreUnavailable("gone", "no answer")
        return await call(*command, node=node)

    monkeypatch.setattr(work.store, "node_names", node_names)
    monkeypatch.setattr(work.store, "call", answered)
    await work.store.call("SET", work.slot.auditor, "somebody")  # it must expire, and has no expiry
    with pytest.raises(StoreUnavailable):
        await audit.once()
    names.remove("gone")
    assert rules_of(await audit.once())["never-expires"] == 1


async def test_a_lost_delayed_event_is_due_again_at_its_time_and_not_before(work: OpenWork) -> None:
    at = await work.store.call("ZSCORE", work.slot.due, "e:later")
    await work.store.call("DEL", work.slot.due)
    await Audit(work.store, work.slot).once()
    assert await work.store.call("ZSCORE", work.slot.due, "e:later") == at


async def test_a_busy_store_is_sound_at_every_moment(one_store: Store) -> None:
    """Two workers on every kind of run, and auditors that never rest: nothing is found, so nothing is repaired."""
    got: list[int] = []
    watcher = Audit(one_store, one_store.keys.slot(Asked.event_name), lease_ms=2_000)
    stop = anyio.Event()

    async def watch() -> None:
        while not stop.is_set():
            await watcher.once()

    publisher, wanted = Publisher(one_store), 240
    async with (
        working(one_store, functions(got), chores=0.02) as first,
        working(one_store, functions(got), chores=0.02) as second,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(watch)
        for n in range(wanted):
            # Ten of the hundred-odd wait for one exclusive permit.
            at = await one_store.time_ms() + n if n % 3 == 0 else 0
            await publisher.send(Asked(n=100 + n if n % 24 == 0 else n % 100), id=f"id-{n}", at_ms=at)

        async def all_ended() -> bool:
            return len(got) >= wanted and not await one_store.call("EXISTS", one_store.keys.slot("test/asked").open)

        await until(all_ended)
        stop.set()
    assert [f for seen in (watcher.seen, first, second) for f in seen.all(AuditFound)] == []
    assert len(got) == wanted


@pytest.mark.parametrize("field", ["expression", "generation", "mark", "all"])
async def test_a_schedule_that_lost_a_field_goes_on_from_what_its_scheduler_knows_and_says_so(
    one_store: Store, field: str
) -> None:
    calls, slot = SlotCalls(one_store, Limits()), one_store.keys.cron_slot(ASK)
    first = await calls.register_schedule(slot, "s", "* * * * *", silent_ms=1_000)
    mark = first.mark_ms - 60_000
    fields = [f"s:{name}" for name in (("expression", "generation", "mark") if field == "all" else (field,))]
    await one_store.call("HSET", slot.cron, "s:mark", mark)
    await one_store.call("HDEL", slot.cron, *fields)
    ticked = await calls.tick(slot, "s", first.generation, mark + 30_000, {b"data": b"{}"})
    assert ticked is True if field in ("expression", "mark") else isinstance(ticked, Superseded)
    known = {"generation": first.generation, "mark_ms": mark, "first_us": first.first_us, "silent_ms": 1_000}
    again = await calls.register_schedule(slot, "s", "* * * * *", **known)
    assert again.ours
    assert again.lost == (field != "mark")  # that was put back by the tick
    assert again.mark_ms == (mark + 30_000 if ticked is True else mark)
    assert not (await calls.register_schedule(slot, "s", "* * * * *", **known)).lost
    assert await calls.tick(slot, "s", again.generation, again.mark_ms + 1, None) is True


def waiting(came: list[bool]) -> Functions:
    """Runs that wait an hour for an event."""
    all_of_them = Functions()

    @all_of_them.function(ASK, on=[event(Asked)], retries=1, awaits=[Told])
    async def ask(e: Event[Asked], step: Step) -> None:
        came.append(await step.wait_for_event("answer", Told, timeout=3600) is not None)

    return all_of_them


WAIT_HARMS: dict[str, Callable[[Store], Command]] = {
    "waits": lambda s: ("DEL", s.keys.slot("test/told").waits),
    "waits items": lambda s: ("DEL", s.keys.slot("test/told").wait_items),
    "waits index": lambda s: ("DEL", s.keys.slot("test/told").wait_index),
    "waits forms": lambda s: ("DEL", s.keys.slot("test/told").wait_forms),
}


@pytest.mark.parametrize("what", WAIT_HARMS)
async def test_a_wait_that_its_slot_forgot_is_registered_again(one_store: Store, what: str) -> None:
    came, slot = list[bool](), one_store.keys.slot("test/asked")
    async with working(one_store, waiting(came), chores=3600) as seen:
        await Publisher(one_store).send(Asked(n=1), id="one")
        await registered(one_store, seen)
        audit = Audit(one_store, slot)
        assert await audit.once() == []
        await one_store.call(*WAIT_HARMS[what](one_store))
        assert rules_of(await audit.once()) == {"wait-lost": 1}
        await seen.wait(RunParked, 2)
        await until(lambda: one_store.call("HLEN", one_store.keys.slot("test/told").wait_items))
        assert await audit.once() == []
        await Publisher(one_store).send(Told())
        await seen.wait(RunEnded)
    assert came == [True]


async def test_a_run_that_forgot_what_it_waits_for_waits_anew(one_store: Store) -> None:
    came, slot = list[bool](), one_store.keys.slot("test/asked")
    async with working(one_store, waiting(came), chores=3600) as seen:
        await Publisher(one_store).send(Asked(n=1), id="one")
        await registered(one_store, seen)
        await one_store.call("HDEL", slot.run("test/ask:one"), "w:answer")
        audit = Audit(one_store, slot)
        assert rules_of(await audit.once()) == {"wait-unreadable": 1}
        await seen.wait(RunParked, 2)
        await Publisher(one_store).send(Told())
        await seen.wait(RunEnded)
    assert came == [True]


async def registered(store: Store, seen: Seen) -> None:
    """Waits until the first wait is registered, and nothing of it is on its way."""
    await seen.wait(RunParked)
    await until(lambda: store.call("HLEN", store.keys.slot("test/told").wait_items))

    async def delivered() -> bool:
        return not await store.call("ZCARD", store.keys.slot("test/asked").outbox)

    await until(delivered)


async def test_what_is_harmed_all_at_once_is_repaired_on_every_server(store: Store) -> None:
    work = OpenWork(store)
    await work.prepare()
    for key in (work.slot.due, work.slot.ready(ASK), work.slot.open, work.slot.outbox, work.slot.ids, work.slot.marks):
        await store.call("DEL", key)
    await store.call("DEL", work.record("rests"))
    found = await Audit(store, work.slot, work.permits_slot).once()
    assert {"never-due", "event-never-due", "entry-lost", "unlisted", "item-unlisted", "ids-unlisted"} <= set(
        rules_of(found)
    )
    await everything_ends(work, gone=set())
