"""The store of a suite: the embedded one is started and kept up; another's is only asked whether it answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import anyio
from anyio import to_thread

from joelclaw_bus.address import without_secret
from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore
from joelclaw_bus.errors import StoreNotStarted
from joelclaw_bus.store import StoreSettings, open_store
from joelclaw_cli.failures import USAGE, Failure
from joelclaw_cli.up.feed import Feed
from joelclaw_cli.up.known_store import recognise
from joelclaw_cli.up.plan import Ending, Plan
from joelclaw_cli.up.restarts import next_restart


def embedded_settings(plan: Plan, directory: Path) -> EmbeddedSettings:
    """At level `local` it syncs each write: to wait for the next second's sync would cost half a second each."""
    level = plan.environ.get("JOELCLAW_DURABILITY", "").strip().lower()
    if level == "replica":
        raise Failure(
            "config_invalid",
            "JOELCLAW_DURABILITY is replica, and the embedded store has no replicas",
            fix="set REDIS_URL to a store that has some, or JOELCLAW_DURABILITY=local",
            exit_code=USAGE,
        )
    fsync: Literal["always", "everysec"] = "always" if level == "local" else "everysec"
    return EmbeddedSettings(directory, plan.port, fsync)


class KeptStore:
    """`url` is true once `open` has returned; `directory`: where the embedded one keeps its data."""

    def __init__(self, plan: Plan, directory: Path, feed: Feed, ending: Ending) -> None:
        self._plan, self._directory, self._feed, self._ending = plan, directory, feed, ending
        self._embedded: EmbeddedStore | None = None
        self._changes = anyio.Lock()
        self.url = plan.redis_url or ""

    @property
    def embedded(self) -> bool:
        return self._plan.redis_url is None

    async def open(self) -> None:
        """Failure, StoreNotStarted, StoreUnavailable."""
        if self.embedded:
            self._embedded = EmbeddedStore(embedded_settings(self._plan, self._directory))
            await to_thread.run_sync(self._embedded.start)
            self.url = self._embedded.url
            self._feed.say(f"store on {self.url}, data in {self._embedded.directory}")
        async with open_store(StoreSettings(self.url, self._plan.prefix)) as store:
            await store.call("PING")
            lost = await recognise(store, "embedded" if self.embedded else self.url, self._directory.parent)
            if lost:
                self._feed.alert(f"the store on {without_secret(self.url)} {lost}", source="suite")

    async def keep(self) -> None:
        """Start the embedded store again when it dies: same port, same data, so that everybody just reconnects."""
        deaths = list[float]()
        while self._embedded:
            await anyio.sleep(0.25)
            if self._embedded.pid or self._ending.due:
                continue
            deaths.append(time.monotonic())
            plan = next_restart(deaths, now=deaths[-1])
            self._feed.say(f"the store ended; starting it again in {plan.delay:g} s", colour="1;31")
            with anyio.move_on_after(plan.delay):
                await self._ending.wait()
            async with self._changes:
                if self._ending.due:
                    return
                try:
                    await to_thread.run_sync(self._embedded.start)
                except StoreNotStarted as error:
                    fix = "look at store/ of the state directory, then joelclaw up"
                    self._ending.begin(Failure("store_not_started", str(error), fix=fix))

    async def close(self) -> None:
        if self._embedded and self._embedded.pid:
            async with self._changes:
                await to_thread.run_sync(self._embedded.stop)
            self._feed.say("store stopped; its data is kept")
