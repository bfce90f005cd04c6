"""Where the store is: `--redis-url` or REDIS_URL, else the running suite of the state directory, else a clear error."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import anyio

from joelclaw_bus.address import read_address
from joelclaw_bus.durability import Durability
from joelclaw_bus.errors import AddressInvalid
from joelclaw_bus.state_directory import StateDirectory
from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_cli.failures import USAGE, Failure

T = TypeVar("T")


def checked_url(url: str) -> str:
    """An address of a store. Else a usage Failure that shows nothing of it: any part may be the password's."""
    if url.partition("://")[0].partition("+")[1]:
        try:
            read_address(url)
        except AddressInvalid as error:
            remedy = "write redis+sentinel://[user:password@]host:port,…/0?service=NAME or redis+cluster://host:port,…"
            raise Failure("store_unknown", str(error), fix=remedy, exit_code=USAGE) from None
        return url
    remedy = "write redis://[user:password@]host:port/0, rediss://… or unix://path; % / @ # ? in a password as %25 …"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("redis", "rediss", "unix") and bool(parts.hostname or parts.scheme == "unix")
        usable = usable and "@" not in parts.query + parts.fragment  # a password with a raw ? or # was cut there
        _ = parts.port
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        raise Failure("store_unknown", "REDIS_URL is not a usable address of a store", fix=remedy, exit_code=USAGE)
    if parts.scheme != "unix" and not re.fullmatch(r"(/[0-9]{0,9})?", parts.path):
        problem = "REDIS_URL is not a usable address: it ends with something that is no database number"
        raise Failure("store_unknown", problem, fix=remedy, exit_code=USAGE)
    return url


@dataclass(frozen=True, slots=True)
class Place:
    """What the operator said about the store."""

    redis_url: str | None
    state_dir: Path
    prefix: str | None
    durability: str = "memory"
    min_replicas: int = 1

    def settings(self) -> StoreSettings:
        """The address to use. Failure `store_unknown` when there is none."""
        if self.redis_url:
            return self._at(checked_url(self.redis_url), self.prefix or "")
        suite = StateDirectory(self.state_dir).running_suite()
        if suite is None:
            raise Failure(
                "store_unknown",
                f"no suite runs in {self.state_dir} and REDIS_URL is not set",
                fix="start one with joelclaw up, or set REDIS_URL",
                exit_code=USAGE,
                next_actions=(("joelclaw up", "start the suite here"),),
            )
        if suite.get("login"):
            raise Failure(
                "store_unknown",
                f"the suite in {self.state_dir} runs on {suite.get('redis_url')}, with a password that is kept nowhere",
                fix="set REDIS_URL (and JOELCLAW_PREFIX) as joelclaw up had them",
                exit_code=USAGE,
            )
        return self._at(str(suite["redis_url"]), str(suite.get("prefix", "")) if not self.prefix else self.prefix)

    def _at(self, url: str, prefix: str) -> StoreSettings:
        level = Durability(self.durability)
        return StoreSettings(url, prefix, durability=level, min_replicas=self.min_replicas)

    def run(self, ask: Callable[[Store], Awaitable[T]]) -> T:
        """Open the store, ask it, close it. KeyboardInterrupt after Ctrl-C."""
        settings = self.settings()

        async def session() -> T:
            async with open_store(settings) as store:
                return await ask(store)

        if threading.current_thread() is not threading.main_thread():
            return anyio.run(session)  # only the main thread hears signals
        return anyio.run(_heeding_ctrl_c, session)


async def _heeding_ctrl_c(work: Callable[[], Awaitable[T]]) -> T:
    """Until the work has ended: asyncio's own way cancels once, and a cancellation can get lost in a library."""
    done: list[T] = []
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:

            async def interrupt() -> None:
                async for _ in signals:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(interrupt)
            done.append(await work())
            tasks.cancel_scope.cancel()
    if not done:
        raise KeyboardInterrupt
    return done[0]
