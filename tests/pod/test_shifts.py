"""A stop that comes in the middle of a reload."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import anyio

from joelclaw_bus import StoreSettings, Unobserved, open_store
from joelclaw_contracts import Config
from joelclaw_pod.evidence import Evidence
from joelclaw_pod.last_resort import LastResort
from joelclaw_pod.settings import read_settings
from joelclaw_pod.shell import Gate, Pod
from joelclaw_pod.shifts import Shifts
from joelclaw_pod.tracing import Tracing
from joelclaw_pod.worker_like import Condition


@dataclass(eq=False)
class Waiting:
    """A worker that does nothing until it is stopped."""

    begun: anyio.Event = field(default_factory=anyio.Event)

    async def run(self, *, stop: anyio.Event, grace: float) -> None:
        self.begun.set()
        await stop.wait()

    def health(self) -> Condition:
        return Condition(ready=self.begun.is_set())


async def test_a_stop_while_the_configuration_is_read_begins_no_worker_and_ends() -> None:
    reading, go_on = threading.Event(), threading.Event()
    built: list[Waiting] = []
    changed = Config.model_validate({"health": {"closings": 9}})

    def build(pod: Pod) -> Waiting:
        built.append(Waiting())
        return built[-1]

    def load() -> Config:
        reading.set()
        assert go_on.wait(60)
        return changed

    url = "redis://127.0.0.1:1/0"  # nobody calls it
    async with open_store(StoreSettings(url)) as store:
        settings = read_settings("tests", {"REDIS_URL": url})
        evidence, resort = Evidence(store, "tests", "tests"), LastResort("tests")
        pod = Pod(store, settings, Config(), Unobserved(), evidence, Tracing("tests"), {}, resort)
        stop = anyio.Event()
        shifts = Shifts(pod, build, Gate(), resort, stop, load=load)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(shifts.run)
                await built[0].begun.wait()
                tasks.start_soon(shifts.reload)
                while not reading.is_set():  # noqa: ASYNC110  a thread sets it
                    await anyio.sleep(0.01)
                stop.set()
                await anyio.sleep(0.01)
                go_on.set()
    assert len(built) == 1
