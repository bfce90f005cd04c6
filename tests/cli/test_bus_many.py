"""Acts on all that a filter means: dead letters of an outage, runs that nobody wants any more."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli, Said
from tests.support.server import Server
from tests.support.workers import working

from joelclaw_bus import Event, Functions, Publisher, Reject, Step, StoreSettings, event, open_store
from joelclaw_bus.observer import RunEnded, RunParked
from joelclaw_contracts import EventModel


class Ordered(EventModel):
    event_name: ClassVar[str] = "test/ordered"

    order: int


class Outage:
    """A function that fails, another one that fails for a reason of its own, and what the first did once it can."""

    def __init__(self) -> None:
        self.over, self.shipped, self.functions = False, list[int](), Functions()

        @self.functions.function("test/ship", on=[event(Ordered)], retries=1)
        async def ship(e: Event[Ordered], step: Step) -> None:
            if not self.over:
                raise Reject("the van is broken")
            self.shipped.append(e.data.order)

        @self.functions.function("test/thank", on=[event(Ordered)], retries=1)
        async def thank(e: Event[Ordered], step: Step) -> None:
            if not self.over:
                raise Reject("no address")


async def dead(cli: Cli, *words: str) -> Said:
    return await to_thread.run_sync(partial(cli, "bus", "dead", *words))


async def test_all_letters_of_a_function_are_sent_anew_oldest_first_and_no_others(cli: Cli, one_server: Server) -> None:
    outage = Outage()
    async with open_store(StoreSettings(one_server.url)) as store, working(store, outage.functions) as seen:
        for n in range(60):  # more than one page of letters
            await Publisher(store).send(Ordered(order=n), id=f"o-{n}")
        await seen.wait(RunEnded, 120)
        buried = [x["fields"]["id"] for x in (await dead(cli, "list", "--limit", "500")).result["letters"]]
        outage.over = True
        which = ("replay", "--function", "test/ship", "--since", "1h", "--force")
        planned = (await dead(cli, *which, "--dry-run")).result
        assert (planned["meant"], planned["done"], planned["left"]) == (60, 0, 0)
        assert outage.shipped == []
        assert (await dead(cli, *which)).error == "usage", "nobody is here to confirm"
        first = (await dead(cli, *which, "--limit", "10", "--yes")).result
        assert (first["meant"], first["done"]) == (60, 10)
        rest = (await dead(cli, *which, "--yes")).result
        assert (rest["meant"], rest["done"]) == (50, 50)
        await seen.wait(RunEnded, 240)  # both functions get each event anew
        kept = (await dead(cli, "list", "--limit", "500")).result["letters"]
        again = (await dead(cli, *which, "--yes")).result
    assert sorted(buried) == sorted([f"o-{n}" for n in range(60)] * 2)
    assert sorted(outage.shipped) == list(range(60))
    assert {x["function"] for x in kept} == {"test/thank"}
    assert len(kept) == 60
    assert (again["meant"], again["done"]) == (0, 0)


async def test_what_can_not_be_sent_as_it_was_is_left_named_and_a_fault(cli: Cli, one_server: Server) -> None:
    outage = Outage()
    with one_server.client() as client:
        client.xadd("test/ordered", {"data": '{"order": "no number"}', "id": "bad"})
        client.xadd("test/ordered", {"data": '{"order": 1}' + " " * 600_000, "id": "huge"})
        client.xadd("test/ordered", {"data": '{"order": 2}', "id": "good"})
    async with open_store(StoreSettings(one_server.url)) as store, working(store, outage.functions) as seen:
        await seen.wait(RunEnded, 2)
        letters = (await dead(cli, "list")).result["letters"]
        assert len(letters) == 4  # an entry that can't be read is buried once; the good one failed in both
        for words in (("--dry-run",), ("--yes",)):
            said = await dead(cli, "replay", "--all", "--event", "test/*", "--force", *words)
            assert (said.code, said.error) == (1, "partly_done")
            assert said.envelope["result"]["left"] == 1
            (left,) = said.envelope["result"]["leftFirst"]
            assert "so it can't be sent as it was" in left["why"]
        kept = (await dead(cli, "list")).result["letters"]
    assert left["id"] in {x["id"] for x in kept}


def test_words_that_name_nothing_or_two_things_are_refused(cli: Cli, one_server: Server) -> None:
    for words in (
        ("dead", "replay"),
        ("dead", "drop", "--event", "test/*"),
        ("dead", "drop", "1-1", "--all"),
        ("dead", "replay", "--all", "--data", "{}"),
        ("cancel", "--reason", "x"),
        ("cancel", "test/nap:1", "--state", "due", "--reason", "x"),
        ("dead", "drop", "--all", "--event", "no name"),
    ):
        said = cli("bus", *words, "--yes")
        assert said.code == 2, words
        assert said.err.count("\n") == 1


async def test_open_runs_are_ended_by_filter_and_the_others_sleep_on(cli: Cli, one_server: Server) -> None:
    functions, woken = Functions(), list[int]()

    @functions.function("test/nap", on=[event(Ordered)], retries=1)
    async def nap(e: Event[Ordered], step: Step) -> None:
        await step.sleep("nap", 600)
        woken.append(e.data.order)

    @functions.function("test/doze", on=[event(Ordered)], retries=1)
    async def doze(e: Event[Ordered], step: Step) -> None:
        await step.sleep("doze", 600)

    async def cancel(*words: str) -> Said:
        return await to_thread.run_sync(partial(cli, "bus", "cancel", "--reason", "not wanted", *words))

    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        for n in range(5):
            await Publisher(store).send(Ordered(order=n))
        await seen.wait(RunParked, 10)
        assert (await cancel("--function", "test/nap", "--dry-run")).result["meant"] == 5
        assert (await cancel("--function", "test/nap", "--older", "1h", "--yes")).result["meant"] == 0
        done = (await cancel("--function", "test/nap", "--state", "due", "--limit", "3", "--yes")).result
        assert (done["meant"], done["done"]) == (5, 3)
        assert (await cancel("--function", "test/nap", "--yes")).result["done"] == 2
        runs = (await to_thread.run_sync(lambda: cli("bus", "runs"))).result["runs"]
    assert (
        sorted((r["function"], r["state"]) for r in runs)
        == [("test/doze", "due")] * 5 + [("test/nap", "cancelled")] * 5
    )
    assert all("not wanted" in r["error"] for r in runs if r["function"] == "test/nap")
    assert woken == []


@pytest.mark.parametrize("people", [True, False])
async def test_dropping_many_shows_how_many_and_only_those(cli: Cli, one_server: Server, people: bool) -> None:
    outage = Outage()
    async with open_store(StoreSettings(one_server.url)) as store, working(store, outage.functions) as seen:
        await Publisher(store).send(Ordered(order=1))
        await seen.wait(RunEnded, 2)
    said = await to_thread.run_sync(lambda: cli("bus", "dead", "drop", "--error", "NO ADDRESS", "--yes", people=people))
    assert said.code == 0
    assert ("delete 1 of 1 letters" in said.out) == people
    (kept,) = (await dead(cli, "list")).result["letters"]
    assert kept["function"] == "test/ship"


class Shipping:
    """A function whose second step fails until it is mended; who else takes the event hears of it once."""

    def __init__(self) -> None:
        self.broken, self.packed, self.told, self.functions = True, list[int](), list[int](), Functions()

        @self.functions.function("test/ship", on=[event(Ordered)], retries=1)
        async def ship(e: Event[Ordered], step: Step) -> str:
            await step.run("pack", self.packed.append, e.data.order)
            if self.broken:
                raise Reject("the van is broken")
            return "shipped"

        @self.functions.function("test/thank", on=[event(Ordered)], retries=1)
        async def thank(e: Event[Ordered], step: Step) -> None:
            self.told.append(e.data.order)


async def test_failed_runs_go_on_behind_their_journal_or_from_their_start_and_alone(
    cli: Cli, one_server: Server
) -> None:
    shipping = Shipping()
    async with open_store(StoreSettings(one_server.url)) as store, working(store, shipping.functions) as seen:
        for n in range(3):
            await Publisher(store).send(Ordered(order=n), id=f"o-{n}")
        failed = await seen.wait(RunEnded, 3, lambda f: f.function == "test/ship")
        assert {f.status for f in failed} == {"failed"}
        one, *_ = (await dead(cli, "list")).result["letters"]
        again = await dead(cli, "redrive", one["id"], "--yes")
        assert (again.result["from"], again.result["run"]) == ("step", one["run"])
        await seen.wait(RunEnded, 4, lambda f: f.function == "test/ship")  # in vain: there is a letter of it again
        assert (await dead(cli, "list")).result["total"] == 3
        assert (await dead(cli, "redrive", one["id"], "--yes")).error == "not_found", "its letter went"
        assert sorted(shipping.packed) == [0, 1, 2], "what was recorded is not done again"
        shipping.broken = False
        assert (await dead(cli, "redrive", "--all", "--from", "start", "--dry-run")).result["meant"] == 3
        assert (await dead(cli, "redrive", "--all", "--from", "start", "--yes")).result["done"] == 3
        await seen.wait(RunEnded, 3, lambda f: (f.function, f.status) == ("test/ship", "completed"))
        assert (await dead(cli, "list")).result["total"] == 0
    assert sorted(shipping.packed) == [0, 0, 1, 1, 2, 2]
    assert sorted(shipping.told) == [0, 1, 2]


async def test_what_never_was_a_run_or_has_no_record_is_not_opened_again_and_says_what_to_do(
    cli: Cli, one_server: Server
) -> None:
    shipping = Shipping()
    with one_server.client() as client:
        client.xadd("test/ordered", {"data": '{"order": "no number"}'})
        client.xadd("test/ordered", {"data": '{"order": 1}', "id": "gone"})
    async with open_store(StoreSettings(one_server.url)) as store, working(store, shipping.functions) as seen:
        await seen.wait(RunEnded, 1, lambda f: f.function == "test/ship")
        await store.call("DEL", store.keys.slot("test/ordered").run("test/ship:gone"))
        planned = await dead(cli, "redrive", "--all", "--dry-run")
        said = await dead(cli, "redrive", "--all", "--yes")
        letters = (await dead(cli, "list")).result["letters"]
        codes = {(await dead(cli, "redrive", x["id"], "--yes")).error for x in letters}
    for each in (planned, said):  # a look says beforehand what can't be done
        assert (each.error, each.envelope["result"]["left"]) == ("partly_done", 2)
    assert codes == {"no_run", "record_gone"}
