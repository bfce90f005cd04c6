"""A worker that is stopped at once: what is being written is written and told, and what is not done is handed back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import anyio
import pytest

from joelclaw_bus import Event, Functions, Publisher, Script, Step, Store, Worker, event
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.handlers import many_tasks
from joelclaw_bus.leases import Leases
from joelclaw_bus.observer import LeaseLost, RunEnded, RunStarted, WorkerFault
from joelclaw_bus.store import Arg
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.workers import QUICK


class Job(EventModel):
    event_name: ClassVar[str] = "test/job"

    endless: bool = False


@dataclass(eq=False)
class Slow(Store):
    """Its finishes wait for `go` behind the server's answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked, self.go = anyio.Event(), anyio.Event()

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        answer = await super().run(script, keys, args)
        if script.name == "finish":
            self.asked.set()
            await self.go.wait()
        return answer


def jobs(endless_ended: anyio.Event) -> Functions:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1)
    async def work(e: Event[Job], step: Step) -> None:
        if e.data.endless:
            try:
                await anyio.sleep_forever()
            finally:
                endless_ended.set()

    return functions


Stop = Callable[[anyio.Event, anyio.CancelScope], None]
STOPS: dict[str, Stop] = {"told": lambda stop, _: stop.set(), "cancelled": lambda _, scope: scope.cancel()}


@pytest.mark.parametrize("how", STOPS)
async def test_a_worker_that_ends_at_once_brings_its_writes_home_and_hands_the_rest_back(
    one_store: Store, how: str
) -> None:
    store = Slow(one_store.settings, one_store.keys, one_store.address, one_store.nodes)
    endless_ended = anyio.Event()
    seen, stop, scope = Seen(), anyio.Event(), anyio.CancelScope()
    worker = Worker(store, jobs(endless_ended), QUICK, observer=seen)

    async def run() -> None:
        with scope:
            await worker.run(stop=stop, grace=0)

    await Publisher(one_store).send(Job(endless=True), id="endless")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await seen.wait(RunStarted)
        await Publisher(one_store).send(Job(), id="short")
        with anyio.fail_after(30):
            await store.asked.wait()
        STOPS[how](stop, scope)
        with anyio.fail_after(30):
            await endless_ended.wait()  # while the other's answer is still awaited
        assert not seen.all(RunEnded)
        store.go.set()
    assert [fact.run for fact in seen.all(RunEnded)] == ["test/work:short"]
    assert not seen.all(WorkerFault)
    assert not seen.all(LeaseLost)
    pending = await one_store.call("XPENDING", Job.event_name, "test/work", "-", "+", 10)
    assert len(pending) == 1, "only the endless one is still to be done"


async def test_what_a_task_that_never_began_still_holds_keeps_no_worker_from_ending(one_store: Store) -> None:
    """asyncio cancels a task before its first step when its group breaks: nothing of it runs, so nobody lets go."""
    quick = 50
    leases = Leases(quick, "worker", one_store.blocking_client(1), lambda act: act(), lambda error: None)
    slot = one_store.keys.slot(Job.event_name)
    assert leases.take(Delivery(slot, "test/work", "worker", "1-0", "r", "claim", ready=False))
    with anyio.fail_after(20):
        async with many_tasks(leases):
            pass
    assert len(leases) == 1
    leases.store.close()
