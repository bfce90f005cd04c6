"""The order of things: lock, orphans, store, services, ready; and at the end services first, then the store."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup, TaskStatus

from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore
from joelclaw_bus.errors import StoreNotStarted
from joelclaw_bus.state_directory import StateDirectory
from joelclaw_bus.store import StoreSettings, open_store
from joelclaw_cli.failures import USAGE, Failure
from joelclaw_cli.up.child import Child, end_orphans
from joelclaw_cli.up.feed import Feed
from joelclaw_cli.up.ready import ReadyFile, announcement, ready_text, suite_record
from joelclaw_cli.up.restarts import next_restart
from joelclaw_cli.up.services import SERVICES, Service, environment

CONFIGURATION_ERROR = 2  # a service's exit code that says: starting me again can't help


@dataclass(frozen=True, slots=True)
class Plan:
    """What `joelclaw up` was asked to run.

    `redis_url` None: the embedded store, on `port`. `grace`: seconds a service gets to settle what it holds;
    more than the pod's own 10, so that the pod ends first.
    """

    state_dir: Path
    redis_url: str | None = None
    port: int | None = None
    prefix: str = ""
    ready_file: Path | None = None
    http_host: str = "127.0.0.1"
    environ: Mapping[str, str] = field(default_factory=dict)
    services: Sequence[Service] = SERVICES
    grace: float = 15.0
    findings: Sequence[str] = ()
    """What the operator is told once all is ready."""


class Suite:
    """One run of the suite. `run` returns after a graceful stop, or raises what ended it."""

    def __init__(self, plan: Plan, feed: Feed) -> None:
        self._plan, self._feed = plan, feed
        self._state = StateDirectory(plan.state_dir)
        self._store: EmbeddedStore | None = None
        self._url = plan.redis_url or ""
        self._children = {s.name: Child(s.name, self._state.services) for s in plan.services}
        self._ready_file = ReadyFile(plan.ready_file) if plan.ready_file else None
        self._kept = {s.name: anyio.Event() for s in plan.services}  # set when nobody keeps it up any more
        self._stopping = anyio.Event()
        self._store_changes = anyio.Lock()
        self._failure: Failure | None = None

    async def run(self) -> None:
        """The whole life. Failure, StateDirectoryBusy, StoreNotStarted, StoreUnavailable."""
        if self._ready_file:
            self._ready_file.claim()
        self._state.open()
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._heed_signals)
                try:
                    for name in await to_thread.run_sync(
                        lambda: end_orphans(self._state.services, grace=self._plan.grace)
                    ):
                        self._feed.say(f"ended {name}, which an earlier suite had left running")
                    await self._open_store(tasks)
                    await self._run_services()
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._close()
                    tasks.cancel_scope.cancel()
        finally:
            self._state.close()
        if self._failure:
            raise self._failure

    async def _heed_signals(self, *, task_status: TaskStatus[None]) -> None:
        """The first signal stops gracefully, the second at once."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if self._stopping.is_set():
                    self._feed.say("stopping at once")
                    for child in self._children.values():
                        child.kill()
                else:
                    self._feed.say(f"stopping ({number.name}); work in hand is finished or handed back")
                    self._stopping.set()

    def _end_orphans(self) -> None:
        for name in end_orphans(self._state.services, grace=self._plan.grace):
            self._feed.say(f"ended {name}, which an earlier suite had left running")

    def _embedded(self) -> EmbeddedSettings:
        """At level `local` it syncs each write: to wait for the next second's sync would cost half a second each."""
        level = self._plan.environ.get("JOELCLAW_DURABILITY", "").strip().lower()
        if level == "replica":
            raise Failure(
                "config_invalid",
                "JOELCLAW_DURABILITY is replica, and the embedded store has no replicas",
                fix="set REDIS_URL to a store that has some, or JOELCLAW_DURABILITY=local",
                exit_code=USAGE,
            )
        fsync: Literal["always", "everysec"] = "always" if level == "local" else "everysec"
        return EmbeddedSettings(self._state.store, self._plan.port, fsync)

    async def _open_store(self, tasks: TaskGroup) -> None:
        if self._plan.redis_url is None:
            self._store = EmbeddedStore(self._embedded())
            await to_thread.run_sync(self._store.start)
            self._url = self._store.url
            self._feed.say(f"store on {self._url}, data in {self._store.directory}")
        async with open_store(StoreSettings(self._url, self._plan.prefix)) as store:
            await store.call("PING")
        self._state.record_suite(suite_record(self._url, self._plan.prefix, {}))
        tasks.start_soon(self._keep_store)

    async def _run_services(self) -> None:
        async with anyio.create_task_group() as services:
            for service in self._plan.services:
                services.start_soon(self._keep, service)
            services.start_soon(self._tell_when_ready)
            await self._stopping.wait()
            with anyio.CancelScope(shield=True):
                await self._stop_services()
            services.cancel_scope.cancel()

    async def _keep(self, service: Service) -> None:
        """Start it, pass its lines on, start it again when it dies."""
        try:
            await self._keep_up(service)
        finally:
            self._kept[service.name].set()

    async def _keep_up(self, service: Service) -> None:
        child, deaths = self._children[service.name], list[float]()
        while not self._stopping.is_set():
            env = environment(
                self._plan.environ,
                redis_url=self._url,
                prefix=self._plan.prefix,
                state_dir=self._state.path,
                ready_file=child.ready_file,
                http_host=self._plan.http_host,
            )
            try:
                await child.start(service.command(), env)
            except OSError as error:
                self._failure = Failure("service_not_started", f"{service.name} can't be started: {error}")
                self._stopping.set()
                return
            if self._stopping.is_set():
                child.ask_to_stop()
            code = await child.attend(lambda line: self._feed.line(service.name, line))
            if self._stopping.is_set():
                return
            if code == CONFIGURATION_ERROR:
                self._give_up(service.name)
                return
            deaths.append(time.monotonic())
            plan = next_restart(deaths, now=deaths[-1])
            how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            if plan.looping:
                how += f"; {plan.deaths} times in a minute, look at its lines above"
            self._feed.say(f"{service.name} {how}; starting it again in {plan.delay:g} s", colour="1;31")
            with anyio.move_on_after(plan.delay):
                await self._stopping.wait()

    def _give_up(self, name: str) -> None:
        """A wrong configuration: starting again can't help, and a suite without that service would pretend."""
        last = self._feed.last.get(name, "it gave no reason")
        self._failure = Failure(
            "config_invalid",
            f"{name} refuses its configuration: {last}",
            fix="mend it (joelclaw nas config show), then joelclaw up",
            exit_code=USAGE,
        )
        self._stopping.set()

    async def _keep_store(self) -> None:
        """Start the embedded store again when it dies: same port, same data, so that everybody just reconnects."""
        deaths = list[float]()
        while self._store:
            await anyio.sleep(0.25)
            if self._store.pid or self._stopping.is_set():
                continue
            deaths.append(time.monotonic())
            plan = next_restart(deaths, now=deaths[-1])
            self._feed.say(f"the store ended; starting it again in {plan.delay:g} s", colour="1;31")
            with anyio.move_on_after(plan.delay):
                await self._stopping.wait()
            async with self._store_changes:
                if self._stopping.is_set():
                    return
                try:
                    await to_thread.run_sync(self._store.start)
                except StoreNotStarted as error:
                    self._failure = Failure("store_not_started", str(error))
                    self._stopping.set()

    async def _tell_when_ready(self) -> None:
        """Once every service is ready: tell everybody. Later whenever one is gone, or is back at another address."""
        began, warned = time.monotonic(), False
        told: dict[str, str] | None = None
        while True:
            facts = {name: child.ready() for name, child in self._children.items()}
            late = [name for name, fact in facts.items() if fact is None]
            http = {name: str(fact.get("http", "")) for name, fact in facts.items() if fact}
            if http != told and (told is not None or not late):
                self._tell(http, first=told is None)
                told = http
            if late and told is None and not warned and time.monotonic() - began > 30:
                warned = True
                self._feed.say(f"not ready after 30 s: {', '.join(late)}", colour="1;33")
            await anyio.sleep(0.05 if told is None else 0.2)

    def _tell(self, http: dict[str, str], *, first: bool) -> None:
        """The record for other commands, the ready file; and the announcement, once."""
        self._state.record_suite(suite_record(self._url, self._plan.prefix, http))
        if self._ready_file and not self._ready_file.tell(ready_text(self._url, http)):
            self._feed.say(f"{self._plan.ready_file} holds something else by now; it is left alone", colour="1;33")
        if first:
            self._feed.ready(*announcement(self._url, http, self._state.path, embedded=self._store is not None))
            for finding in self._plan.findings:
                self._feed.say(f"finding: {finding}", colour="1;33")

    async def _stop_services(self) -> None:
        """Ask, wait, then insist."""
        for child in self._children.values():
            child.ask_to_stop()
        with anyio.move_on_after(self._plan.grace):
            for kept in self._kept.values():
                await kept.wait()
        for name, child in self._children.items():
            if child.pid:
                self._feed.say(f"{name} did not stop in {self._plan.grace:g} s; killed", colour="1;33")
                child.kill()
        for kept in self._kept.values():
            await kept.wait()

    async def _close(self) -> None:
        self._stopping.set()
        for child in self._children.values():
            child.kill()  # only where the supervisor itself failed: a graceful stop has left none
        if self._ready_file:
            self._ready_file.remove()
        if self._store and self._store.pid:
            async with self._store_changes:
                await to_thread.run_sync(self._store.stop)
            self._feed.say("store stopped; its data is kept")
