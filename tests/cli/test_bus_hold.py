"""Cancelling runs and pausing functions from the command line, on a real store with a real worker."""

from __future__ import annotations

from typing import ClassVar

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.support.server import Server
from tests.support.waiting import later, until
from tests.support.workers import working

from joelclaw_bus import Event, Functions, Publisher, Step, Store, StoreSettings, event, open_store
from joelclaw_bus.observer import RunEnded, RunParked
from joelclaw_contracts import EventModel

FN = "test/nap"


class Slept(EventModel):
    event_name: ClassVar[str] = "test/slept"

    seconds: float = 0


def napping(did: list[str]) -> Functions:
    functions = Functions()

    @functions.function(FN, on=[event(Slept)], retries=1)
    async def nap(e: Event[Slept], step: Step) -> None:
        await step.sleep("nap", e.data.seconds)
        did.append(e.id)

    return functions


async def test_a_sleeping_run_is_cancelled_with_a_reason_and_says_so(cli: Cli, one_server: Server) -> None:
    did: list[str] = []
    async with open_store(StoreSettings(one_server.url)) as store, working(store, napping(did)) as seen:
        await Publisher(store).send(Slept(seconds=600), id="one")
        await seen.wait(RunParked)
        planned = await to_thread.run_sync(lambda: cli("bus", "cancel", f"{FN}:one", "--reason", "x", "--dry-run"))
        done = await to_thread.run_sync(lambda: cli("bus", "cancel", f"{FN}:one", "--reason", "not wanted", "--yes"))
        again = await to_thread.run_sync(lambda: cli("bus", "cancel", f"{FN}:one", "--reason", "x", "--yes"))
        shown = await to_thread.run_sync(lambda: cli("bus", "run", f"{FN}:one"))
    assert (planned.result["cancelled"], planned.result["was"]) == (False, "due")
    assert done.result["cancelled"] is True
    assert (again.code, again.error) == (1, "run_ended")
    assert shown.result["facts"]["state"] == "cancelled"
    assert "not wanted" in shown.result["facts"]["error"]
    assert did == []


def test_a_run_that_never_was_is_not_cancelled(cli: Cli, one_server: Server) -> None:
    said = cli("bus", "cancel", f"{FN}:none", "--reason", "x", "--yes")
    assert (said.code, said.error) == (3, "not_found")


async def ended(store: Store, count: int) -> bool:
    return bool(await store.call("ZCARD", store.keys.slot("test/slept").ended) >= count)


async def test_a_paused_function_does_nothing_until_it_is_resumed_and_loses_nothing(
    cli: Cli, one_server: Server
) -> None:
    did: list[str] = []
    async with open_store(StoreSettings(one_server.url)) as store, working(store, napping(did)) as seen:
        await Publisher(store).send(Slept(), id="before")
        await seen.wait(RunEnded)
        paused = await to_thread.run_sync(lambda: cli("bus", "pause", FN, "--reason", "NAS moves", "--yes"))
        assert paused.code == 0
        await later(store, 2_000)  # what it says of itself: within three seconds; the worker here looks every second
        await Publisher(store).send(Slept(), id="during")
        await later(store, 700)
        assert did == ["before"]
        (shown,) = (await to_thread.run_sync(lambda: cli("bus", "pauses"))).result["pauses"]
        assert (shown["function"], shown["reason"], shown["holds"]) == (FN, "NAS moves", True)
        assert (await to_thread.run_sync(lambda: cli("bus", "resume", FN))).code == 0
        await seen.wait(RunEnded, 2)
    assert did == ["before", "during"]


async def test_a_pause_ends_by_itself(cli: Cli, one_server: Server) -> None:
    did: list[str] = []
    async with open_store(StoreSettings(one_server.url)) as store:
        async with working(store, napping([])) as seen:
            await Publisher(store).send(Slept(), id="registers")
            await seen.wait(RunEnded)
        said = await to_thread.run_sync(lambda: cli("bus", "pause", FN, "--reason", "x", "--for", "1500ms", "--yes"))
        assert said.result["until_ms"] > 0
        await Publisher(store).send(Slept(), id="later")
        async with working(store, napping(did)):

            async def went_on() -> bool:
                return bool(did)

            await until(went_on)
            assert await store.time_ms() >= said.result["until_ms"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pause", "test/nobody", "--reason", "x", "--yes"), 3, "no worker ever registered"),
        (("pause", "test/nobody", "--reason", " ", "--yes"), 2, "--reason is empty"),
        (("resume", "test/nobody"), 3, "no paused function"),
        (("cancel", "nonsense", "--reason", "x"), 3, "no run nonsense"),
    ],
)
def test_what_can_t_be_held_is_refused(
    cli: Cli, one_server: Server, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = cli("bus", *words)
    assert answer.code == code
    assert said in answer.envelope["error"]["message"]
