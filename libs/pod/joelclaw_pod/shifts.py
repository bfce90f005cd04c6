"""One worker after the other: a configuration that is read again is a new worker, and the old one ends what it holds.

| SIGHUP finds            | what follows                                                                        |
|-------------------------|-------------------------------------------------------------------------------------|
| the same configuration  | nothing                                                                             |
| a good one              | a worker is built of it; once it is ready the old one is stopped, within the grace  |
| a bad one, or one that  | the last good one stays; `ALERT opened config/refused` by the path without the      |
| `build` refuses         | store, evidence that pages, `configRefused` in heartbeats until a good one comes    |

Nothing is changed piece by piece, so that no decision is made by half of each. What the old worker can't end within
the grace is handed back and taken over, as at a restart; drawn decisions lie in the store and stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from joelclaw_bus.errors import BusError, RegistrationInvalid
from joelclaw_bus.publisher import Publisher
from joelclaw_contracts import Config, ContractError, HealthCheckRequested
from joelclaw_contracts.redact import redact_text
from joelclaw_pod.errors import SettingsError, WorkerEnded
from joelclaw_pod.last_resort import LastResort
from joelclaw_pod.shell import Build, Gate, Pod
from joelclaw_pod.worker_like import WorkerLike

log = logging.getLogger(__name__)

CONDITION = "config/refused"
REFUSALS = (SettingsError, ContractError, RegistrationInvalid)
SETTLE = 5.0  # seconds for a new worker to be ready before the old one goes all the same
ASK = 2.0  # seconds for asking health to look


@dataclass(eq=False)
class Shifts:
    """Owns the worker that serves, and its successor. `load` reads the configuration, as the start did."""

    pod: Pod
    build: Build
    gate: Gate
    resort: LastResort
    stop: anyio.Event
    load: Callable[[], Config]
    settle: float = SETTLE
    refused: str = field(default="", init=False)
    worker: WorkerLike = field(init=False)
    _end: anyio.Event = field(default_factory=anyio.Event, init=False)
    _tasks: TaskGroup | None = field(default=None, init=False)
    _hangup: anyio.Event = field(default_factory=anyio.Event, init=False)

    def __post_init__(self) -> None:
        self.worker = self.build(self.pod)
        self.pod.about["config"] = self.pod.config.hash

    async def run(self) -> None:
        """Serve until `stop` is set and everything held has ended. WorkerEnded."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._begin(tasks, self.worker)
            await self.stop.wait()
            self._end.set()

    def hangup(self) -> None:
        """Read the configuration again; while it is being read, once more afterwards."""
        self._hangup.set()

    async def heed(self) -> None:
        """Answer hang-ups until cancelled."""
        while True:
            await self._hangup.wait()
            self._hangup = anyio.Event()
            if not self.stop.is_set():
                await self.reload()

    async def reload(self) -> None:
        """What the table above says, once. Never raises what a person can mend."""
        try:
            # In a thread, which may be left behind: a share that hangs must hold up neither the loop nor a stop.
            config = await to_thread.run_sync(self.load, abandon_on_cancel=True)
            if self.stop.is_set():  # it came while the configuration was read: nobody would stop a worker begun now
                return
            if _same(config, self.pod.config):
                log.info("the configuration is as it was", extra={"config": config.hash})
            else:
                await self._relieve(config)
        except REFUSALS as error:
            await self._refuse(redact_text("; ".join(line.strip() for line in str(error).splitlines())))
        else:
            await self._accept()

    async def _relieve(self, config: Config) -> None:
        before, pod = self.pod.config, replace(self.pod, config=config)
        worker, end = self.build(pod), anyio.Event()
        self.pod = pod
        pod.about["config"] = config.hash
        old_end, self.worker, self._end = self._end, worker, end
        if self._tasks is not None:
            self._begin(self._tasks, worker)
            with anyio.move_on_after(self.settle):  # a store that is away keeps every worker from being ready
                while not (worker.health().ready or self.stop.is_set()):  # noqa: ASYNC110  a protocol without an event
                    await anyio.sleep(0.02)
            if not self.stop.is_set():
                self.gate.opened(worker)
            old_end.set()
        changed = _changed(before, config)
        log.info("the configuration was read again", extra={"config": config.hash, "changed": changed})
        about = {"before": before.hash, "after": config.hash, "changed": changed}
        pod.evidence.emit("info", "service", "config.reloaded", True, metadata=about)

    def _begin(self, tasks: TaskGroup, worker: WorkerLike) -> None:
        tasks.start_soon(self._shift, worker, self._end)

    async def _shift(self, worker: WorkerLike, end: anyio.Event) -> None:
        await worker.run(stop=end, grace=self.pod.settings.grace)
        if not end.is_set():
            raise WorkerEnded(self.pod.settings.service)

    async def _refuse(self, problem: str) -> None:
        log.error("the configuration was refused, the last good one stays: %s", problem)
        if problem == self.refused:
            return
        self.refused = self.pod.about["configRefused"] = problem
        kept = self.pod.config.hash
        self.resort.tell("opened", CONDITION, f"the last good configuration stays ({kept[:12]}): {problem}")
        self.pod.evidence.emit("error", "service", "config.refused", False, error=problem, metadata={"kept": kept})
        await self._ask_for_a_look()

    async def _accept(self) -> None:
        if not self.refused:
            return
        self.refused = ""
        self.pod.about.pop("configRefused", None)
        self.resort.tell("resolved", CONDITION, f"in force is {self.pod.config.hash[:12]}")
        await self._ask_for_a_look()

    async def _ask_for_a_look(self) -> None:
        """Health would see it within its cadence; asked, it looks once our next heartbeat is there."""
        store, service = self.pod.store, self.pod.settings.service
        with anyio.move_on_after(ASK):
            try:
                at = await store.time_ms() + self.pod.settings.lease_ms
                wanted = HealthCheckRequested(component="configuration", source=service)
                await Publisher(store, source=service).send(wanted, at_ms=at)
            except BusError as error:
                log.info("health was not asked to look: %s", error)


def _same(one: Config, other: Config) -> bool:
    """By the values, secrets included: a rotated one changes no hash, and must reach the worker all the same."""
    return _values(one) == _values(other)


def _values(config: Config) -> dict[str, Any]:
    return config.model_dump(exclude={"sources"})


def _changed(before: Config, after: Config) -> list[str]:
    """The keys whose shown values differ; a secret that was rotated is not told apart."""
    old = {row.key: row.value for row in before.provenance()}
    return [row.key for row in after.provenance() if old.get(row.key) != row.value]
