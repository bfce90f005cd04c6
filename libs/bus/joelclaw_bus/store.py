"""The one room that speaks redis-py: it builds clients, sends commands and scripts, and names what comes back.

Rules that hold for every client made here:
- no library retries: one lost reply to a repeated XADD made two entries. Only the bus repeats, and only what is safe;
- an explicit deadline on every call, blocking reads included;
- raw replies (bytes, lists, ints), the same shape whatever the library's version;
- a client belongs to one role and is closed with it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from joelclaw_bus.errors import BusError, GroupMissing, StoreRefused, StoreUnavailable
from joelclaw_bus.keys import Keys
from joelclaw_bus.script import Script
from joelclaw_bus.tls import advice

Arg = str | bytes | int | float
Command = Sequence[Arg]

_NO_ANSWER = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is and how long to wait for it.

    url: redis://[user:password@]host:port/0 or rediss://…; prefix: put before every key of this deployment;
    deadline: seconds for one answer; connections: at most so many for commands.
    """

    url: str
    prefix: str = ""
    deadline: float = 5.0
    connections: int = 16


def _without_secret(url: str) -> str:
    """The address for messages: never the user's password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


_CODES: tuple[tuple[type[Exception], str], ...] = (
    (redis.exceptions.AuthenticationError, "WRONGPASS"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
    (redis.exceptions.MovedError, "MOVED"),
    (redis.exceptions.AskError, "ASK"),
    (redis.exceptions.TryAgainError, "TRYAGAIN"),
    (redis.exceptions.OutOfMemoryError, "OOM"),
)
"""Of these redis-py cuts the server's code off the text. Order matters: some are subclasses of others."""


def _code(error: Exception) -> str:
    """The server's own code of a refusal; '' where the server did not speak."""
    text = str(error)
    if "max number of clients reached" in text:
        return "MAXCLIENTS"
    if "NOGROUP" in text or text.startswith("UNBLOCKED"):  # a blocked read whose stream vanished is told the latter
        return "NOGROUP"
    for known, code in _CODES:
        if isinstance(error, known):
            code = getattr(error, "status_code", None) or code
            return "NOEVAL" if code == "NOPERM" and "'eval" in text else code
    if isinstance(error, _NO_ANSWER):
        return ""
    return text.split(" ", 1)[0].rstrip(":") if text else type(error).__name__


def _translate(error: Exception, where: str) -> BusError:
    """redis-py's error as one of ours: its refusals are subclasses of its connection errors too."""
    text, code = str(error) or type(error).__name__, _code(error)
    if not code:
        return StoreUnavailable(where, text, *advice(error, where))
    return GroupMissing(where, code, text) if code == "NOGROUP" else StoreRefused(where, code, text)


@dataclass(eq=False)
class Store:
    """An open store. Make one with `open_store`."""

    settings: StoreSettings
    keys: Keys
    _client: Any  # redis-py types its replies as wide unions; this room narrows them

    @property
    def where(self) -> str:
        return _without_secret(self.settings.url)

    async def call(self, *command: Arg) -> Any:
        """One command, its raw reply. StoreUnavailable, StoreRefused."""
        try:
            return await self._client.execute_command(*command)
        except (redis.exceptions.RedisError, OSError) as error:
            raise _translate(error, self.where) from error

    async def calls(self, commands: Iterable[Command]) -> list[Any]:
        """Several commands in one round trip (no transaction): raw replies; a refusal is an error in its place."""
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        try:
            replies = await pipe.execute(raise_on_error=False)
        except (redis.exceptions.RedisError, OSError) as error:
            raise _translate(error, self.where) from error
        return [_translate(r, self.where) if isinstance(r, Exception) else r for r in replies]

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        """One script. A server that doesn't know it yet gets its text: nothing has run then, so this is safe."""
        try:
            try:
                return await self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return await self._client.execute_command("EVAL", script.text, len(keys), *keys, *args)
        except (redis.exceptions.RedisError, OSError) as error:
            raise _translate(error, self.where) from error

    async def time_ms(self) -> int:
        """The server's clock, ms since the epoch."""
        seconds, micros = await self.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    @asynccontextmanager
    async def reader(self, block: float) -> AsyncIterator[Reader]:
        """A client for one blocking reader: its deadline is the block time plus a margin."""
        client = _async_client(self.settings, deadline=block + self.settings.deadline, connections=1)
        try:
            yield Reader(client, self.where)
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    @asynccontextmanager
    async def listener(self, channel: str) -> AsyncIterator[Listener]:
        """A subscription to one channel."""
        client = _async_client(self.settings, deadline=self.settings.deadline, connections=1)
        pubsub: Any = client.pubsub()
        try:
            try:
                await pubsub.subscribe(channel)
            except (redis.exceptions.RedisError, OSError) as error:
                raise _translate(error, self.where) from error
            yield Listener(pubsub, self.where, self.settings.deadline)
        finally:
            with anyio.CancelScope(shield=True):
                await pubsub.aclose()
                await client.aclose()

    def blocking_client(self, deadline: float) -> BlockingStore:
        """A client for a thread (the renewal), with a deadline of its own."""
        return BlockingStore(self.settings, deadline)

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._client.aclose()


@dataclass(eq=False)
class Reader:
    """Blocking reads of one group, on a connection of their own."""

    _client: Any
    _where: str

    async def call(self, *command: Arg) -> Any:
        try:
            return await self._client.execute_command(*command)
        except (redis.exceptions.RedisError, OSError) as error:
            raise _translate(error, self._where) from error


@dataclass(eq=False)
class Listener:
    """Messages of one channel."""

    _pubsub: Any
    _where: str
    _deadline: float
    _heard: float = field(default_factory=time.monotonic)
    _asked: bool = False

    async def next(self, timeout: float) -> bytes | None:
        """The next message, or None after `timeout` seconds. After a silence it is asked to speak: a connection that
        somebody dropped without a word would else be listened to for ever. StoreUnavailable, StoreRefused."""
        try:
            message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=timeout)
            if message:
                self._heard, self._asked = time.monotonic(), False
                return bytes(message["data"]) if message["type"] == "message" else None
            if time.monotonic() - self._heard > self._deadline:
                if self._asked:
                    raise StoreUnavailable(self._where, "a subscription gives no sign of life")
                await self._pubsub.ping()
                self._heard, self._asked = time.monotonic(), True
        except (redis.exceptions.RedisError, OSError) as error:
            raise _translate(error, self._where) from error
        return None


class BlockingStore:
    """The same store for one thread. Scripts only: that is all the renewal needs."""

    def __init__(self, settings: StoreSettings, deadline: float) -> None:
        self._where = _without_secret(settings.url)
        self._client: Any = redis.Redis.from_url(
            settings.url,
            protocol=2,
            socket_timeout=deadline,
            socket_connect_timeout=deadline,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            single_connection_client=False,
        )
        self._client.response_callbacks.clear()

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        try:
            try:
                return self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return self._client.execute_command("EVAL", script.text, len(keys), *keys, *args)
        except (redis.exceptions.RedisError, OSError) as error:
            raise _translate(error, self._where) from error

    def close(self) -> None:
        self._client.close()


def _async_client(settings: StoreSettings, *, deadline: float, connections: int) -> redis.asyncio.Redis:
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.url,
            max_connections=connections,
            timeout=deadline,
            protocol=2,
            decode_responses=False,
            socket_timeout=deadline,
            socket_connect_timeout=settings.deadline,
            retry=AsyncRetry(NoBackoff(), 0),
            retry_on_error=[],
            health_check_interval=0,
        )
        connections_of: Any = pool  # typed in part only
        # An option in the address that doesn't exist is refused now, not at the first call.
        connections_of.make_connection()
    except (ValueError, TypeError) as error:
        raise StoreUnavailable(_without_secret(settings.url), f"not a usable address: {error}") from error
    client = redis.asyncio.Redis.from_pool(pool)
    client.response_callbacks.clear()
    return client


@asynccontextmanager
async def open_store(settings: StoreSettings) -> AsyncIterator[Store]:
    """An open store, closed at the end of the block. Connects lazily: the first call says whether it is there."""
    client = _async_client(settings, deadline=settings.deadline, connections=settings.connections)
    store = Store(settings, Keys(settings.prefix), client)
    try:
        yield store
    finally:
        await store.close()
