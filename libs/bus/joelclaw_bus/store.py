"""An open store: commands and scripts in, raw replies out, every fault one of ours.

| room       | duty                                                             |
|------------|------------------------------------------------------------------|
| address    | what REDIS_URL can say                                           |
| connect    | address → redis-py clients, and the rules that all of them keep  |
| routing    | which key a command is about; the map of a cluster               |
| sentinel   | who is primary, as the sentinels say                             |
| nodes      | where a command goes: to one server, or a primary                |
| cluster    | where it goes in a cluster: to the node of its slot              |
| together   | who asks at the same moment travels together                     |
| convoy     | so do the calls to one server                                    |
| readers    | blocking reads and subscriptions, on connections of their own    |
| confirm    | waiting until a write has reached the durability level           |
| replies    | redis-py's errors as ours                                        |
| blocking   | the same for the renewal's thread                                |

Only these speak redis-py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from joelclaw_bus.address import Address, read_address
from joelclaw_bus.blocking import BlockingStore
from joelclaw_bus.cluster import ClusterNodes
from joelclaw_bus.confirm import Confirmer
from joelclaw_bus.durability import Durability
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.keys import Keys
from joelclaw_bus.nodes import Nodes, OneNode
from joelclaw_bus.readers import Listener, Reader
from joelclaw_bus.replies import FAULTS, NoScript, translate
from joelclaw_bus.routing import Arg, Command, check_one_slot, key_of
from joelclaw_bus.script import Script

__all__ = ["Arg", "BlockingStore", "Command", "Listener", "Reader", "Store", "StoreSettings", "open_store"]

PATIENCE = 0.75
"""How much of the deadline a confirmation may take: at one sync a second it needs more than a second."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is, how long to wait for it, and what its acknowledgements mean.

    url: see `address`; prefix: put before every key of this deployment; deadline: seconds for one answer;
    connections: at most so many for commands (to each node); durability: see `durability`; min_replicas: at level
    `replica`, nothing is written while fewer are online.
    """

    url: str = field(repr=False)  # it may hold a password
    prefix: str = ""
    deadline: float = 5.0
    connections: int = 16
    durability: Durability = Durability.MEMORY
    min_replicas: int = 1


@dataclass(eq=False)
class Store:
    """An open store. Make one with `open_store`."""

    settings: StoreSettings
    keys: Keys
    address: Address
    nodes: Nodes

    def __post_init__(self) -> None:
        s = self.settings
        self._confirmer = Confirmer(
            self.nodes, self.where, s.durability, s.min_replicas, s.deadline * PATIENCE, self.address.kind
        )

    @property
    def where(self) -> str:
        return self.address.shown

    async def call(self, *command: Arg, node: str | None = None) -> Any:
        """One command, its raw reply. node: which one is asked, where any could be. StoreUnavailable, StoreRefused."""
        try:
            return await self.nodes.send(command, node)
        except FAULTS as error:
            raise translate(error, self.where) from error

    async def calls(self, commands: Iterable[Command], *, node: str | None = None) -> list[Any]:
        """Several commands, in one round trip to each node they concern (no transaction): raw replies; a refusal is
        an error in its place."""
        try:
            replies = await self.nodes.scattered(list(commands), node)
        except FAULTS as error:
            raise translate(error, self.where) from error
        return [translate(r, self.where) if isinstance(r, Exception) else r for r in replies]

    async def write(self, *command: Arg) -> Any:
        """One command that others will rely on: it answers once its write has reached the durability level."""
        if self.settings.durability is Durability.MEMORY:
            return await self.call(*command)
        key = key_of(command)
        assert key is not None, command
        try:
            return await self._confirmer.send(key if isinstance(key, str) else key.decode(), command)
        except FAULTS as error:
            raise translate(error, self.where) from error

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        """One script, confirmed unless it says that it need not be. NotConfirmed, StoreUnavailable, StoreRefused.

        A server that doesn't know it yet gets its text: nothing has run then, so this is safe.
        """
        check_one_slot(keys)
        send = self.write if script.confirmed else self.call
        try:
            return await send("EVALSHA", script.sha, len(keys), *keys, *args)
        except StoreUnavailable:
            raise
        except Exception as error:
            if not isinstance(error.__cause__, NoScript):
                raise
        return await send("EVAL", script.text, len(keys), *keys, *args)

    async def run_each(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> list[Any]:
        """One script that does something for each of many: its raw replies; a refusal is an error in its place."""
        replies = await self.run(script, keys, args)
        return [translate(r, self.where) if isinstance(r, Exception) else r for r in replies]

    async def time_ms(self) -> int:
        """The server's clock, ms since the epoch."""
        seconds, micros = await self.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def node_of(self, key: str) -> str:
        """The name of the node that serves a key, as far as is known."""
        return self.nodes.name_of(key)

    async def node_names(self) -> list[str]:
        """Those that can be asked as `node`: one alone, or every primary of a cluster."""
        try:
            return await self.nodes.names()
        except FAULTS as error:
            raise translate(error, self.where) from error

    @asynccontextmanager
    async def reader(self, block: float) -> AsyncIterator[Reader]:
        """A client for one blocking reader: its deadline is the block time plus a margin."""
        reader = Reader(self.nodes, self.where, block + self.settings.deadline)
        try:
            yield reader
        finally:
            with anyio.CancelScope(shield=True):
                await reader.close()

    @asynccontextmanager
    async def listener(self, channel: str) -> AsyncIterator[Listener]:
        """A subscription to one channel. Of a cluster any node will do: each hears what is published on all."""
        client = pubsub = None
        try:
            try:
                client = await self.nodes.dedicated(None, self.settings.deadline)
                pubsub = client.pubsub()
                await pubsub.subscribe(channel)
            except FAULTS as error:
                raise translate(error, self.where) from error
            yield Listener(pubsub, self.where, self.settings.deadline, anyio.current_time())
        finally:
            with anyio.CancelScope(shield=True):
                if pubsub is not None:
                    await pubsub.aclose()
                if client is not None:
                    await client.aclose()

    def blocking_client(self, deadline: float) -> BlockingStore:
        """A client for a thread (the renewal), with a deadline of its own."""
        return BlockingStore(self.address, deadline)

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.nodes.close()


@asynccontextmanager
async def open_store(settings: StoreSettings) -> AsyncIterator[Store]:
    """An open store, closed at the end of the block. AddressInvalid. Connects lazily: the first call says whether it
    is there."""
    address, keys = read_address(settings.url), Keys(settings.prefix)
    nodes: Nodes
    if address.kind == "cluster":
        nodes = ClusterNodes(address, settings.deadline, settings.connections, keys.slots)
    else:
        nodes = OneNode(address, settings.deadline, settings.connections)
    store = Store(settings, keys, address, nodes)
    try:
        yield store
    finally:
        await store.close()
