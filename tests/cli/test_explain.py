"""`joelclaw bus explain`: one line says why a run isn't moving, on a real store in every such state."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli, Said
from tests.support.open_work import ASK, ONLY, Asked, OpenWork, Told
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.workers import working

from joelclaw_bus import Backoff, Event, Functions, Publisher, Step, Store, StoreSettings, event, open_store
from joelclaw_bus.audit.judge import RECORD_FORMAT
from joelclaw_bus.inspect.explain import RunSituation, explain
from joelclaw_bus.observer import RunEnded, RunParked, RunRetried
from joelclaw_bus.order_calls import OrderCalls
from joelclaw_bus.pauses import pause
from joelclaw_contracts import EventModel

AN_HOUR = 3_600_000


class Answered(EventModel):
    event_name: ClassVar[str] = "test/answered"

    order: str


async def later(work: Callable[[], Said]) -> Said:
    return await to_thread.run_sync(work)


@pytest.fixture
async def work(one_server: Server) -> AsyncIterator[OpenWork]:
    """A run in every state, an hour from its time; nobody works."""
    async with open_store(StoreSettings(one_server.url)) as store:
        work = OpenWork(store, soon_ms=AN_HOUR)
        await work.prepare()
        yield work


async def lives(work: OpenWork, *functions: str, age_ms: int = 0) -> None:
    """As a worker's heartbeat says it."""
    row = {"at": await work.store.time_ms() - age_ms, "everyMs": 5_000, "inHand": 2, "functions": functions}
    await work.store.call("HSET", work.store.keys.workers, "a-worker", json.dumps(row))


async def why(cli: Cli, run: str) -> tuple[str, str, str]:
    """(cause, why, what to do) as programs read it; people read both lines too."""
    said = (await later(lambda: cli("bus", "explain", run))).result
    drawn = (await later(lambda: cli("bus", "explain", run, people=True))).out
    assert f"{said['why'][:20]}" in drawn  # what follows may hold how long ago it was
    assert "What to do: " in drawn
    return said["cause"], said["why"], said["todo"]


async def test_a_sleeping_run_says_in_which_step_and_until_when(cli: Cli, work: OpenWork) -> None:
    await lives(work, ASK)
    cause, line, todo = await why(cli, work.runs["rests"])
    assert cause == "sleeps"
    assert line.startswith("it sleeps in step 'rest' until 2")
    assert "(in 60 min)" in line or "(in 1 h)" in line
    assert todo == "nothing: it goes on by itself"


async def test_without_a_worker_it_says_who_last_had_the_function(cli: Cli, work: OpenWork) -> None:
    row = {"at": await work.store.time_ms() - 2 * AN_HOUR, "functions": [ASK]}
    await work.store.call("HSET", work.store.keys.services, "asker", json.dumps(row))
    await lives(work, ONLY)
    for name, cause in (("woken", "no-worker"), ("rests", "sleeps")):
        found, line, todo = await why(cli, work.runs[name])
        assert (found, todo) == (cause, "start asker")
        assert line.endswith(f"no live worker has {ASK}; asker last had it, 2 h ago")


async def test_a_held_run_names_the_limit_its_holders_and_its_rank(cli: Cli, work: OpenWork) -> None:
    await lives(work, ONLY)
    cause, line, todo = await why(cli, work.runs["waiter"])
    assert cause == "limit"
    assert line.startswith(f"the limit of 1 at once of {ONLY} is reached: held by ")
    assert work.runs["holder"] in line
    assert "; 0 wait before it" in line
    assert todo.startswith("wait for the holder, or look why it stays: joelclaw bus explain test/only:")


async def test_a_held_run_says_that_the_handler_of_a_cancelled_one_has_not_stopped(cli: Cli, work: OpenWork) -> None:
    await lives(work, ONLY)
    claim = f"its-begin {await work.store.time_ms() + AN_HOUR}"
    await work.store.call("HSET", work.permits_slot.claims(""), work.member("holder"), claim)
    await OrderCalls(work.store, work.limits).cancel(work.slot, work.runs["holder"], "not wanted")
    cause, line, todo = await why(cli, work.runs["waiter"])
    assert cause == "limit"
    assert line.startswith(
        f"it waits for the handler of cancelled run {work.runs['holder']} to stop, or, if its worker "
    )
    assert "; 0 wait before it; it asks again " in line
    assert todo.endswith("a handler that hangs ends with its worker")


async def test_a_paused_function_names_owner_reason_and_end(cli: Cli, work: OpenWork) -> None:
    until = await work.store.time_ms() + AN_HOUR + 30_000
    await pause(work.store, ASK, owner="ada", reason="the NAS is being moved", until_ms=until)
    cause, line, todo = await why(cli, work.runs["rests"])
    assert cause == "paused"
    assert line.startswith(f"{ASK} is paused by ada until 2")
    assert line.endswith("(in 1 h): the NAS is being moved")
    assert todo.startswith(f"joelclaw bus resume {ASK}")


async def test_a_run_in_hand_says_whose_and_what_is_journaled(cli: Cli, work: OpenWork) -> None:
    cause, line, _ = await why(cli, work.runs["dies"])
    assert cause == "executing"
    assert line.startswith("it is being executed by dead-worker, ")
    assert line.endswith("; journaled so far: one")
    await work.store.call("HSET", work.record("dies"), "begins", 3)
    _, line, _ = await why(cli, work.runs["dies"])
    assert line.startswith("it is held by dead-worker, where it runs or waits, "), "nothing tells whether it has begun"
    end = "begun 3 times without an end, so it may be a poison: it begins alone, when there is a place for it"
    assert line.endswith(f"{end} and in calm")
    entry = await work.entry_of("dies")
    await work.store.call("XCLAIM", work.slot.stream, ASK, "dead-worker", 0, entry, "IDLE", 90_000, "JUSTID")
    _, line, _ = await why(cli, work.runs["dies"])
    assert line.startswith("dead-worker had it last: its lease ran out, or it was handed back; ")


async def test_a_lost_lease_says_whose_and_how_long_it_is_silent(cli: Cli, work: OpenWork) -> None:
    entry = await work.entry_of("dies")
    await work.store.call("XCLAIM", work.slot.stream, ASK, "dead-worker", 0, entry, "IDLE", 90_000, "JUSTID")
    await work.store.call("HSET", work.record("dies"), "begins", 5)
    cause, line, todo = await why(cli, work.runs["dies"])
    assert cause == "lost-lease"
    assert "dead-worker has it, and has been silent for 2 min: its lease ran out" in line
    assert "begun 5 times without an end, so the next begin buries it" in line
    assert "nothing ever registered" not in todo
    await lives(work, ASK)
    assert (await why(cli, work.runs["dies"]))[2] == "nothing: a live worker takes it over within a lease"


async def test_a_run_that_nothing_would_wake_is_the_auditors(cli: Cli, work: OpenWork) -> None:
    await lives(work, ASK)
    await work.store.call("ZREM", work.slot.due, "r:" + work.runs["rests"])
    await work.store.call("XDEL", work.slot.ready(ASK), await work.entry_of("woken"))
    for name in ("rests", "woken"):
        cause, _, todo = await why(cli, work.runs[name])
        assert cause == "broken"
        assert todo.startswith("nothing: the auditor repairs it")


async def test_a_run_that_should_have_been_woken_is_overdue(cli: Cli, work: OpenWork) -> None:
    past = await work.store.time_ms() - 90_000
    await work.store.call("HSET", work.record("rests"), "due", past)
    await work.store.call("ZADD", work.slot.due, past, "r:" + work.runs["rests"])
    cause, line, _ = await why(cli, work.runs["rests"])
    assert (cause, line.endswith("(2 min ago), which is over: nobody promotes")) == ("overdue", True)


async def test_a_queue_without_a_reader_and_one_that_is_long(cli: Cli, work: OpenWork) -> None:
    await lives(work, ASK)
    cause, line, _ = await why(cli, work.runs["woken"])
    assert cause in ("queued", "behind")
    assert (
        line.endswith(f"1 worker of {ASK} has 1 in hand") or f"1 worker of {ASK} has 1 in hand, the first of " in line
    )
    await work.store.call("XGROUP", "DESTROY", work.slot.ready(ASK), ASK)
    assert (await why(cli, work.runs["woken"]))[0] == "no-group"


async def test_a_newer_record_is_told_as_such(cli: Cli, work: OpenWork) -> None:
    await work.store.call("HSET", work.record("rests"), "v", RECORD_FORMAT + 1)
    assert (await why(cli, work.runs["rests"]))[0] == "newer"
    await work.store.call("HSET", work.record("rests"), "v", RECORD_FORMAT)


async def test_an_ended_run_says_how_and_when(cli: Cli, work: OpenWork) -> None:
    cause, line, _ = await why(cli, work.runs["over"])
    assert (cause, line.startswith("it has ended: completed, ")) == ("ended", True)


async def test_a_run_is_found_by_its_events_id_or_entry(cli: Cli, work: OpenWork) -> None:
    entry = await work.entry_of("dies")
    for word in ("dies-id", entry):
        assert (await later(lambda word=word: cli("bus", "explain", word))).result["run"] == work.runs["dies"]  # type: ignore[misc]  # a default binds the loop variable


async def test_a_word_that_means_no_run_or_two_is_answered_with_the_nearest(cli: Cli, work: OpenWork) -> None:
    said = await later(lambda: cli("bus", "explain", "test/ask:rest-id"))
    assert (said.code, said.error) == (3, "not_found")
    assert work.runs["rests"] in said.envelope["fix"]
    await work.store.call("HSET", work.slot.run(f"{ONLY}:rests-id"), "state", "ended", "v", 1, "ended", 1)
    await work.store.call("PEXPIRE", work.slot.run(f"{ONLY}:rests-id"), 60_000)
    both = await later(lambda: cli("bus", "explain", "rests-id"))
    assert (both.code, both.error) == (2, "usage")
    assert f"{ASK}:rests-id, {ONLY}:rests-id" in both.envelope["fix"]


async def test_explaining_changes_nothing(cli: Cli, work: OpenWork) -> None:
    async def dump() -> dict[bytes, object]:
        return {key: await work.store.call("DUMP", key) for key in await work.store.call("KEYS", "*")}

    before = await dump()
    for run in work.runs.values():
        await why(cli, run)
    assert await dump() == before


def failing(functions: Functions, error: str) -> None:
    @functions.function(ASK, on=[event(Asked)], retries=2, backoff=Backoff(base_ms=AN_HOUR, cap_ms=AN_HOUR))
    async def ask(e: Event[Asked], step: Step) -> None:
        raise OSError(error)


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


async def test_a_backoff_says_which_attempt_when_and_the_last_error(cli: Cli, store: Store) -> None:
    functions = Functions()
    failing(functions, "the shop is closed")
    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(RunRetried)
        await until(lambda: store.call("HLEN", store.keys.workers))
        cause, line, todo = await why(cli, f"{ASK}:one")
    assert (cause, todo) == ("backoff", "nothing: it goes on by itself")
    assert line.startswith("attempt 2 of 3 begins 2")
    assert line.endswith("the last error: OSError: the shop is closed")


async def test_a_failed_run_names_its_dead_letter(cli: Cli, store: Store) -> None:
    functions = Functions()

    @functions.function(ASK, on=[event(Asked)], retries=1, backoff=Backoff(base_ms=1, cap_ms=1))
    async def ask(e: Event[Asked], step: Step) -> None:
        raise OSError("the shop is closed")

    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(RunEnded)
    (letter,) = (await later(lambda: cli("bus", "dead", "list"))).result["letters"]
    cause, line, todo = await why(cli, f"{ASK}:one")
    assert cause == "ended"
    assert line.endswith(f"OSError: the shop is closed; dead letter {letter['id']}")
    assert f"joelclaw bus dead redrive {letter['id']}" in todo


async def test_a_waiting_run_says_for_what_with_which_match_until_when(cli: Cli, store: Store) -> None:
    functions = Functions()

    @functions.function(ASK, on=[event(Asked)], retries=1, awaits=[Answered, Told])
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.wait_for_event("answer", Answered, match={"order": "o-7"}, timeout=AN_HOUR / 1000)

    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(RunParked)
        await until(lambda: store.call("HLEN", store.keys.workers))
        cause, line, todo = await why(cli, f"{ASK}:one")
    assert cause == "waits"
    assert line.startswith("it waits in step 'answer' for test/answered with order=o-7 until 2")
    assert todo == "send it (joelclaw bus send test/answered), or let the time-out end it"


async def test_a_run_behind_an_exclusive_one_names_it(cli: Cli, store: Store) -> None:
    functions = Functions()

    @functions.function(ONLY, on=[event(Asked)], retries=1, exclusive=1)
    async def only(e: Event[Asked], step: Step) -> None:
        await step.sleep("rest", 3600)

    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="first")
        await seen.wait(RunParked)
        await Publisher(store).send(Asked(n=2), id="second")
        await seen.wait(RunParked, where=lambda f: f.state == "held")
        await until(lambda: store.call("HLEN", store.keys.workers))
        cause, line, todo = await why(cli, f"{ONLY}:second")
    assert cause == "limit"
    assert line.startswith(f"the limit of 1 at once of {ONLY} is reached: held by {ONLY}:first; 0 wait before it")
    assert todo.endswith(f"joelclaw bus explain {ONLY}:first")


async def test_a_poisoned_run_names_its_dead_letter(cli: Cli, work: OpenWork) -> None:
    error = "poisoned: 5 begins without an end; its handler ends its worker"
    record, run = work.record("over"), work.runs["over"]
    await work.store.call("HSET", record, "status", "failed", "error", error)
    letter = (await work.store.call("XADD", work.slot.dead, "*", "kind", "run", "run", run)).decode()
    cause, line, todo = await why(cli, run)
    assert (cause, line.endswith(f"{error}; dead letter {letter}")) == ("poisoned", True)
    assert todo == f"mend the cause, then joelclaw bus dead redrive {letter} (or replay, or drop {letter})"


async def test_a_cancelled_run_says_why(cli: Cli, work: OpenWork) -> None:
    await OrderCalls(work.store, work.limits).cancel(work.slot, work.runs["rests"], "ada: not wanted any more")
    cause, line, _ = await why(cli, work.runs["rests"])
    assert (cause, line.startswith("it has ended: cancelled, ")) == ("ended", True)
    assert line.endswith(": ada: not wanted any more")


def test_the_values_of_a_match_move_no_cursor_and_are_cut() -> None:
    spec = {"events": ["test/told"], "matches": [{"by": "\x1b[2Jann\u202e\n", "what": "x" * 5_000}]}
    record = {"state": "waiting", "fn": "test/ask", "wait": "hear", "due": "9000", "w:hear": "1 " + json.dumps(spec)}
    said = explain(RunSituation("test/ask:1", "test/asked", "test/ask", 1_000, record)).why
    assert r"with by=\x1b[2Jann\u202e\n, what=xxx" in said
    assert said.isprintable()
    assert len(said) < 400
