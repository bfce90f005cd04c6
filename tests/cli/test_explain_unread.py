"""`joelclaw bus explain` and `bus cancel` of what no worker has begun: unread, behind others, delayed, buried."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli, Said
from tests.support.open_work import ASK, ONLY, Asked
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.workers import working

from joelclaw_bus import Backoff, Event, Functions, Publisher, Step, Store, StoreSettings, event, open_store
from joelclaw_bus.observer import EventBuried, RunEnded
from joelclaw_bus.pauses import pause

AN_HOUR = 3_600_000


async def later(work: Callable[[], Said]) -> Said:
    return await to_thread.run_sync(work)


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


def asking(name: str, did: list[str], *, stepless: bool = True) -> Functions:
    functions = Functions()

    @functions.function(name, on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        if not stepless:
            await step.run("one", lambda: 1)
        did.append(e.id)

    return functions


async def known(store: Store, *names: str) -> None:
    """These functions worked once, and nobody works now."""
    for name in names:
        async with working(store, asking(name, [])):
            await until(partial(store.call, "HEXISTS", store.keys.functions, name))
            await until(partial(store.call, "HGET", store.keys.slot("test/asked").marks, name))


async def beats(store: Store, function: str, *, age_ms: int = 0, worker: str = "a-worker", in_hand: int = 0) -> None:
    row = {"at": await store.time_ms() - age_ms, "everyMs": 5_000, "inHand": in_hand, "functions": [function]}
    await store.call("HSET", store.keys.workers, worker, json.dumps(row))


async def why(cli: Cli, word: str) -> dict[str, Any]:
    said: dict[str, Any] = (await later(lambda: cli("bus", "explain", word))).result
    return said


@pytest.mark.parametrize("word", ["one", f"{ASK}:one", "ENTRY", f"{ASK}:ENTRY"])
async def test_an_unread_event_behind_a_pause_names_who_why_and_until(cli: Cli, store: Store, word: str) -> None:
    await known(store, ASK)
    sent = await Publisher(store).send(Asked(n=1), id="one")
    await pause(store, ASK, owner="ada", reason="moving", until_ms=await store.time_ms() + AN_HOUR)
    said = await why(cli, word.replace("ENTRY", sent.entry or ""))
    assert (said["cause"], said["run"], said["function"]) == ("paused", f"{ASK}:one", ASK)
    assert said["why"].startswith("its event is unread for ")
    assert f"{ASK} is paused by ada until 2" in said["why"]
    assert said["why"].endswith(": moving")
    assert said["todo"].startswith(f"joelclaw bus resume {ASK}")


async def test_a_strangers_unread_event_is_found_by_its_id(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    await beats(store, ONLY)
    await store.call("XADD", "test/asked", "*", "data", '{"n":1}', "id", "theirs")
    said = await why(cli, "theirs")
    assert (said["cause"], said["run"]) == ("no-worker", f"{ASK}:theirs")
    assert f"no live worker has {ASK}" in said["why"]


async def test_a_strangers_event_in_the_hands_of_a_frozen_worker_is_found_by_its_id(cli: Cli, store: Store) -> None:
    """Delivered and not begun, it stands in no index; events that were dealt with lie before it."""
    await known(store, ASK)
    await beats(store, ASK, age_ms=90_000, worker="host-12-ab")
    stream = store.keys.slot("test/asked").stream
    done, theirs = [await store.call("XADD", stream, "*", "data", '{"n":1}', "id", id) for id in ("done", "theirs")]
    await store.call("XREADGROUP", "GROUP", ASK, "host-12-ab", "STREAMS", stream, ">")
    await store.call("XACK", stream, ASK, done)
    said = await why(cli, "theirs")
    assert (said["run"], said["cause"]) == (f"{ASK}:theirs", "executing")
    assert "it is being executed by host-12-ab" in said["why"]
    await store.call("XACK", stream, ASK, theirs)


async def test_a_frozen_worker_is_named_with_its_silence(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    row = {"at": await store.time_ms() - 90_000, "functions": [ASK]}
    await store.call("HSET", store.keys.services, "asker", json.dumps(row))
    await beats(store, ASK, age_ms=90_000, worker="host-12-ab")
    await Publisher(store).send(Asked(n=1), id="one")
    said = await why(cli, "one")
    assert (said["cause"], said["moves"]) == ("no-worker", False)
    assert "host-12-ab is silent for 2 min (frozen, dead, or cut off from the store)" in said["why"]
    assert said["todo"] == "look at host-12-ab (a frozen process goes on with kill -CONT), or start asker"


async def test_a_group_behind_says_how_much_lies_before_it_and_what_is_longest_in_hand(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    await beats(store, ASK, in_hand=1)
    publisher = Publisher(store)
    first = await publisher.send(Asked(n=0), id="first")
    await store.call("XREADGROUP", "GROUP", ASK, "a-worker", "COUNT", 1, "STREAMS", "test/asked", ">")
    for n in range(3):
        await publisher.send(Asked(n=n), id=f"before-{n}")
    await publisher.send(Asked(n=9), id="mine")
    said = await why(cli, "mine")
    assert said["cause"] == "behind"
    assert f"3 entries before it are unread; 1 worker of {ASK} has 1 in hand, the first of them for " in said["why"]
    assert f"joelclaw bus explain {ASK}:{first.entry}" in said["todo"]
    assert (await why(cli, f"{ASK}:{first.entry}"))["run"] == f"{ASK}:first"
    await store.call("XCLAIM", "test/asked", ASK, "a-worker", 0, first.entry or "", "IDLE", 90_000, "JUSTID")
    assert (await why(cli, "first"))["cause"] == "lost-lease"
    assert "a-worker, who has that one, is silent for 2 min" in (await why(cli, "mine"))["why"]


async def test_an_event_that_nobody_takes_says_so(cli: Cli, store: Store) -> None:
    entry = (await store.call("XADD", "test/orphan", "*", "data", "{}", "id", "lonely")).decode()
    for word in ("lonely", entry):
        said = await why(cli, word)
        assert (said["cause"], said["run"], said["moves"]) == ("no-function", "", False)
        assert "no function ever registered for it" in said["why"]
    drawn = await later(lambda: cli("bus", "explain", "lonely", people=True))
    assert "test/orphan lonely: its event lies on test/orphan for " in drawn.out


async def test_a_registered_function_without_a_group_is_told(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    await Publisher(store).send(Asked(n=1), id="one")
    await store.call("XGROUP", "DESTROY", "test/asked", ASK)
    assert (await why(cli, "one"))["cause"] == "no-worker"
    await beats(store, ASK)
    assert (await why(cli, "one"))["cause"] == "no-group"


async def test_a_delayed_event_says_when_it_is_sent(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    await Publisher(store).send(Asked(n=1), id="tomorrow", at_ms=await store.time_ms() + AN_HOUR)
    said = await why(cli, "tomorrow")
    assert said["cause"] == "delayed"
    assert said["why"].startswith("its event is delayed: it is sent 2")


@pytest.mark.parametrize("word", ["tomorrow", f"{ASK}:tomorrow"])
async def test_a_delayed_event_is_taken_back_and_nobody_brings_it_back(cli: Cli, store: Store, word: str) -> None:
    await known(store, ASK)
    publisher, slot = Publisher(store), store.keys.slot("test/asked")
    at = await store.time_ms() + AN_HOUR
    await publisher.send(Asked(n=1), id="tomorrow", at_ms=at)
    planned = await later(lambda: cli("bus", "cancel", word, "--reason", "x", "--dry-run"))
    assert (planned.result["was"], planned.result["cancelled"]) == ("delayed", False)
    assert await store.call("ZCARD", slot.due) == 1
    done = await later(lambda: cli("bus", "cancel", word, "--reason", "withdrawn", "--yes"))
    assert (done.result["run"], done.result["cancelled"]) == (f"{ASK}:tomorrow", True)
    assert await store.call("EXISTS", slot.due, slot.due_items) == 0
    assert (await publisher.send(Asked(n=1), id="tomorrow", at_ms=at)).duplicate
    said = await why(cli, "tomorrow")
    assert (said["cause"], "cancelled" in said["why"], "withdrawn" in said["why"]) == ("ended", True, True)
    again = await later(lambda: cli("bus", "cancel", word, "--reason", "x", "--yes"))
    assert (again.code, again.error) == (1, "run_ended")
    did: list[str] = []
    async with working(store, asking(ASK, did)) as seen:  # a stranger's entry with that id is no first one either
        await store.call("XADD", slot.stream, "*", "data", '{"n":1}', "id", "tomorrow")
        await publisher.send(Asked(n=2), id="two")
        await seen.wait(RunEnded)
    assert did == ["two"]


async def test_a_delayed_event_of_several_functions_is_taken_back_by_its_id_alone(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    await known(store, ONLY)
    slot = store.keys.slot("test/asked")
    await Publisher(store).send(Asked(n=1), id="tomorrow", at_ms=await store.time_ms() + AN_HOUR)
    one = await later(lambda: cli("bus", "cancel", f"{ASK}:tomorrow", "--reason", "x", "--yes"))
    assert (one.code, one.error) == (2, "usage")
    assert "joelclaw bus cancel tomorrow" in one.envelope["fix"]
    assert await store.call("ZCARD", slot.due) == 1
    both = await later(lambda: cli("bus", "cancel", "tomorrow", "--reason", "x", "--yes"))
    assert (both.result["run"], sorted(both.result["runs"])) == (None, sorted([f"{ASK}:tomorrow", f"{ONLY}:tomorrow"]))
    assert await store.call("EXISTS", slot.due, slot.due_items) == 0


async def test_an_unreadable_event_is_explained_by_its_id_and_its_entry_as_buried(cli: Cli, store: Store) -> None:
    await known(store, ONLY)
    async with working(store, asking(ASK, [])) as seen:
        entry = (await store.call("XADD", "test/asked", "*", "data", '{"n":"no"}', "id", "bad")).decode()
        await seen.wait(EventBuried)
    async with working(store, asking(ONLY, [])) as seen:
        await seen.wait(EventBuried)  # it is read by both, and buried once
    (letter,) = (await later(lambda: cli("bus", "dead", "list"))).result["letters"]
    for word in ("bad", entry, f"{ASK}:bad"):
        said = await why(cli, word)
        assert said["cause"] == "buried"
        assert said["why"].startswith("it was buried ")
        assert f"dead letter {letter['id']}" in said["why"]
        assert "test/asked" in said["why"], "the error stands in the line"
        assert said["todo"].startswith(f"mend the cause, then joelclaw bus dead replay {letter['id']}")


async def test_a_buried_run_whose_record_is_gone_is_found_by_its_events_id(cli: Cli, store: Store) -> None:
    functions = Functions()

    @functions.function(ASK, on=[event(Asked)], retries=1, backoff=Backoff(base_ms=1, cap_ms=1))
    async def ask(e: Event[Asked], step: Step) -> None:
        raise ValueError("no such shop")

    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(RunEnded)
    await store.call("DEL", store.keys.slot("test/asked").run(f"{ASK}:one"))
    said = await why(cli, "one")
    assert said["cause"] == "buried"
    assert "ValueError: no such shop" in said["why"]
    refused = await later(lambda: cli("bus", "cancel", "one", "--reason", "x", "--yes"))
    assert (refused.code, refused.error) == (1, "nothing_to_cancel")


async def test_an_event_of_several_functions_names_those_runs_that_are_not_over(cli: Cli, store: Store) -> None:
    await known(store, ASK, ONLY)
    await Publisher(store).send(Asked(n=1), id="one")
    both = await later(lambda: cli("bus", "explain", "one"))
    assert (both.code, both.error) == (2, "usage")
    assert f"{ASK}:one, {ONLY}:one" in both.envelope["fix"]
    async with working(store, asking(ASK, [])) as seen:
        await seen.wait(RunEnded)
    assert (await why(cli, "one"))["run"] == f"{ONLY}:one"


@pytest.mark.parametrize("stepless", [True, False])
async def test_an_unread_event_is_cancelled_and_never_runs(cli: Cli, store: Store, stepless: bool) -> None:
    await known(store, ASK)
    await Publisher(store).send(Asked(n=1), id="one")
    planned = await later(lambda: cli("bus", "cancel", "one", "--reason", "x", "--dry-run"))
    assert (planned.result["was"], planned.result["cancelled"]) == ("unread", False)
    done = await later(lambda: cli("bus", "cancel", "one", "--reason", "withdrawn", "--yes"))
    assert (done.result["run"], done.result["cancelled"]) == (f"{ASK}:one", True)
    again = await later(lambda: cli("bus", "cancel", "one", "--reason", "x", "--yes"))
    assert (again.code, again.error) == (1, "run_ended")
    did: list[str] = []
    async with working(store, asking(ASK, did, stepless=stepless)) as seen:
        await Publisher(store).send(Asked(n=2), id="two")
        await seen.wait(RunEnded)
    assert did == ["two"]
    said = await why(cli, "one")
    assert (said["cause"], "cancelled" in said["why"], "withdrawn" in said["why"]) == ("ended", True, True)
    pending = await store.call("XPENDING", "test/asked", ASK)
    assert pending[0] == 0


async def test_a_run_without_a_record_that_executes_is_cancelled_too(cli: Cli, store: Store) -> None:
    await known(store, ASK)
    await Publisher(store).send(Asked(n=1), id="one")
    await store.call("XREADGROUP", "GROUP", ASK, "a-worker", "COUNT", 1, "STREAMS", "test/asked", ">")
    done = await later(lambda: cli("bus", "cancel", "one", "--reason", "x", "--yes"))
    assert (done.result["was"], done.result["cancelled"]) == ("running", True)
    assert (await store.call("XPENDING", "test/asked", ASK))[0] == 0


async def test_what_is_over_without_a_record_is_not_cancelled(cli: Cli, store: Store) -> None:
    async with working(store, asking(ASK, [])) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(RunEnded)
        await until(lambda: none_pending(store))
    said = await later(lambda: cli("bus", "cancel", "one", "--reason", "x", "--yes"))
    assert (said.code, said.error) == (1, "nothing_to_cancel")
    assert "it has ended" in said.envelope["error"]["message"]


async def none_pending(store: Store) -> bool:
    return bool((await store.call("XPENDING", "test/asked", ASK))[0] == 0)
