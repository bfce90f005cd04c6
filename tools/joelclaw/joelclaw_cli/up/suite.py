"""The order of things: lock, orphans, store, services, ready; and at the end services first, then the store."""

from __future__ import annotations

import signal
import time

import anyio
from anyio import to_thread
from anyio.abc import TaskStatus

from joelclaw_bus.state_directory import StateDirectory
from joelclaw_cli.failures import USAGE, Failure
from joelclaw_cli.up.child import Child, end_orphans
from joelclaw_cli.up.feed import Feed
from joelclaw_cli.up.kept_store import KeptStore
from joelclaw_cli.up.plan import Ending, Plan
from joelclaw_cli.up.ready import ReadyFile, announcement, new_directory, ready_text, suite_record
from joelclaw_cli.up.restarts import next_restart
from joelclaw_cli.up.services import Service, environment

CONFIGURATION_ERROR = 2  # a service's exit code that says: starting me again can't help


class Suite:
    """One run of the suite. `run` returns after a graceful stop, or raises what ended it."""

    def __init__(self, plan: Plan, feed: Feed) -> None:
        self._plan, self._feed = plan, feed
        self._state = StateDirectory(plan.state_dir)
        self._ending = Ending()
        self._store = KeptStore(plan, self._state.store, feed, self._ending)
        self._children = {s.name: Child(s.name, self._state.services) for s in plan.services}
        self._ready_file = ReadyFile(plan.ready_file) if plan.ready_file else None
        self._kept = {s.name: anyio.Event() for s in plan.services}  # set when nobody keeps it up any more

    async def run(self) -> None:
        """The whole life. Failure, StateDirectoryBusy, StoreNotStarted, StoreUnavailable."""
        if self._ready_file:
            self._ready_file.claim()
        new = not self._state.is_one
        self._state.open()
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._heed_signals)
                try:
                    await self._end_orphans()
                    await self._store.open()
                    self._record({})
                    tasks.start_soon(self._store.keep)
                    if new:  # a misspelt one would look like a suite that has lost all it knew
                        self._feed.say(new_directory(self._state, embedded=self._store.embedded), colour="1;33")
                    await self._run_services()
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._close()
                    tasks.cancel_scope.cancel()
        finally:
            self._state.close()
        if self._ending.failure:
            raise self._ending.failure

    async def _heed_signals(self, *, task_status: TaskStatus[None]) -> None:
        """The first signal stops gracefully, the second at once."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if self._ending.due:
                    self._feed.say("stopping at once")
                    for child in self._children.values():
                        child.kill()
                else:
                    self._feed.say(f"stopping ({number.name}); work in hand is finished or handed back")
                    self._ending.begin()

    async def _end_orphans(self) -> None:
        for name in await to_thread.run_sync(lambda: end_orphans(self._state.services, grace=self._plan.grace)):
            self._feed.say(f"ended {name}, which an earlier suite had left running")

    async def _run_services(self) -> None:
        async with anyio.create_task_group() as services:
            for service in self._plan.services:
                services.start_soon(self._keep, service)
            services.start_soon(self._tell_when_ready)
            await self._ending.wait()
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
        while not self._ending.due:
            env = environment(
                self._plan.environ,
                redis_url=self._store.url,
                prefix=self._plan.prefix,
                state_dir=self._state.path,
                ready_file=child.ready_file,
                http_host=self._plan.http_host,
            )
            try:
                await child.start(service.command(), env)
            except OSError as error:
                self._ending.begin(
                    Failure(
                        "service_not_started",
                        f"{service.name} can't be started: {error}",
                        fix="install it beside this command, then joelclaw up",
                    )
                )
                return
            if self._ending.due:
                child.ask_to_stop()
            code = await child.attend(lambda line: self._feed.line(service.name, line))
            if self._ending.due:
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
                await self._ending.wait()

    def _give_up(self, name: str) -> None:
        """A wrong configuration: starting again can't help, and a suite without that service would pretend."""
        last = self._feed.last.get(name, "it gave no reason")
        self._ending.begin(
            Failure(
                "config_invalid",
                f"{name} refuses its configuration: {last}",
                fix="mend it (joelclaw nas config show), then joelclaw up",
                exit_code=USAGE,
            )
        )

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
        self._record(http)
        if self._ready_file and not self._ready_file.tell(ready_text(self._store.url, http)):
            self._feed.say(f"{self._plan.ready_file} holds something else by now; it is left alone", colour="1;33")
        if first:
            self._feed.ready(*announcement(self._store.url, http, self._state.path, embedded=self._store.embedded))
            for finding in self._plan.findings:
                self._feed.say(f"finding: {finding}", colour="1;33")

    def _record(self, http: dict[str, str]) -> None:
        self._state.record_suite(suite_record(self._store.url, self._plan.prefix, http))

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
        self._ending.begin()
        for child in self._children.values():
            child.kill()  # only where the supervisor itself failed: a graceful stop has left none
        if self._ready_file:
            self._ready_file.remove()
        await self._store.close()
