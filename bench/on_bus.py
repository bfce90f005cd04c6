"""This bus, under the same stopwatch as its peers: `python -m bench.on_bus ROW --url URL --count N …`.

Metrics on and the collector calm, as in a service; each job is an event with an id. Rows of its own: `steps` is
`drained` with three journaled steps a run, and tells how long a step takes; in `interrupted` a run records two steps
before the one that it hangs in; further ones are in `bus_rows` and the rooms named `…_row`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import anyio

from bench import bus_rows, lanes_row, storm_row, suite_row
from bench.bus_rows import Job
from bench.peers import probe
from joelclaw_bus import Event, Functions, Publisher, Step, StoreSettings, Worker, WorkerSettings, event, open_store
from joelclaw_pod import collector
from joelclaw_pod.metrics import Metrics


class ThisBus(probe.Bus):
    """`idle` sends as any system does, by a bare XADD."""

    async def open(self) -> None:
        self.steps_ms: list[float] = []
        self._open = AsyncExitStack()
        self.store = await self._open.enter_async_context(open_store(StoreSettings(self.ask.url)))
        self.publisher = Publisher(self.store, source="bench")

    async def close(self) -> None:
        await self._open.aclose()

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        if sent:
            await self.store.call("XADD", Job.event_name, "*", "data", Job(number=number, sent=sent).to_json())
            return
        await self.publisher.send(Job(number=number), id=f"job-{number}", at_ms=round(at * 1000))

    async def work(self, handle: probe.Handle, stop: asyncio.Event) -> None:
        settings = WorkerSettings(parallel=self.ask.parallel, lease_ms=round(self.ask.lease * 1000))
        worker = Worker(self.store, self._functions(handle), settings, observer=Metrics())
        over = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: worker.run(stop=over))
            await stop.wait()
            over.set()

    def _functions(self, handle: probe.Handle) -> Functions:
        functions = Functions()
        if self.ask.row == "steps":
            body = self._three_steps
        elif self.ask.row in ("held", "interrupted"):
            body = self._journaled
        else:
            body = self._plain

        @functions.function("bench/job", on=[event(Job)], retries=1)
        async def job(e: Event[Job], step: Step) -> None:
            await body(handle, e.data, step)

        return functions

    async def _plain(self, handle: probe.Handle, job: Job, step: Step) -> None:
        await handle(job.number, job.sent)

    async def _three_steps(self, handle: probe.Handle, job: Job, step: Step) -> None:
        async def act() -> int:
            return 1

        for name in ("one", "two", "three"):
            began = time.perf_counter()
            await step.run(name, act)
            self.steps_ms.append((time.perf_counter() - began) * 1000)
        await handle(job.number, job.sent)

    async def _journaled(self, handle: probe.Handle, job: Job, step: Step) -> None:
        async def effect(number: int) -> None:
            probe.tell({"effect": number, "at": time.monotonic()})

        await step.run("one", effect, 2 * job.number)
        await step.run("two", effect, 2 * job.number + 1)
        await handle(job.number, job.sent)

    def facts(self) -> probe.Answer:
        ordered = sorted(self.steps_ms)
        return {"step_p99_ms": ordered[int(len(ordered) * 0.99)]} if ordered else {}


MORE = {
    "steps": probe.drained,
    "storm": storm_row.storm,
    "suite": suite_row.suite,
    **lanes_row.ROWS,
    **bus_rows.ROWS,
}

if __name__ == "__main__":
    collector.calm()
    probe.main(ThisBus, MORE)
