"""Where a command goes: to the one server, to the primary that the sentinels name, or to the node of its slot.

Nothing here repeats what may have been done. MOVED, ASK and TRYAGAIN say that nothing was: those are followed, a few
times. redis-py's own cluster client is not used: it repeats commands whose reply was lost, and can put an ASKING, or
a WAIT, on another connection than the command that it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from joelclaw_bus.address import Address, Place
from joelclaw_bus.connect import async_client
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.replies import FAULTS, NO_ANSWER, Ask, Moved
from joelclaw_bus.routing import Command, SlotMap, key_of, slot_of

REDIRECTIONS = 4
ALONE = ""
"""The name of the only node that there is."""


class Nodes(Protocol):
    """Sending. Faults are redis-py's; `together` and `scattered` give a refusal as an error in its place."""

    async def send(self, command: Command, node: str | None = None) -> Any: ...

    async def together(self, key: str | bytes, commands: Sequence[Command]) -> list[Any]:
        """All on one connection of the key's node, one after the other."""

    async def scattered(self, commands: Sequence[Command], node: str | None = None) -> list[Any]:
        """Each to its own node, in as few round trips as there are nodes."""

    async def names(self) -> list[str]: ...

    def name_of(self, key: str | bytes) -> str:
        """The name of the node that serves a key, as far as is known."""

    async def dedicated(self, key: str | bytes | None, deadline: float) -> Any:
        """A client of its own, to the key's node."""

    def lost(self) -> None:
        """A node did not answer, or a slot has moved: what is known of them may be old."""

    async def close(self) -> None: ...


@dataclass(eq=False)
class OneNode:
    """One server, or the primary behind the sentinels."""

    address: Address
    deadline: float
    connections: int
    _client: Any = None

    def __post_init__(self) -> None:
        self._client = async_client(
            self.address, None, deadline=self.deadline, connect=self.deadline, connections=self.connections
        )

    async def send(self, command: Command, node: str | None = None) -> Any:
        return await self._client.execute_command(*command)

    async def together(self, key: str | bytes, commands: Sequence[Command]) -> list[Any]:
        return await pipelined(self._client, commands)

    async def scattered(self, commands: Sequence[Command], node: str | None = None) -> list[Any]:
        return await pipelined(self._client, commands)

    async def names(self) -> list[str]:
        return [ALONE]

    def name_of(self, key: str | bytes) -> str:
        return ALONE

    async def dedicated(self, key: str | bytes | None, deadline: float) -> Any:
        return async_client(self.address, None, deadline=deadline, connect=self.deadline, connections=1)

    def lost(self) -> None:
        pass  # a new connection finds out by itself

    async def close(self) -> None:
        await self._client.aclose()


@dataclass(eq=False)
class ClusterNodes:
    """The primaries of a cluster, each with its own connections. Names are `host:port`."""

    address: Address
    deadline: float
    connections: int
    home: str
    """A key whose node answers what any node can."""
    map: SlotMap = field(default_factory=SlotMap)
    _clients: dict[Place, Any] = field(default_factory=dict)
    _asking: anyio.Lock = field(default_factory=anyio.Lock)

    async def send(self, command: Command, node: str | None = None) -> Any:
        (reply,) = await self._follow(key_of(command), [command], node)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def together(self, key: str | bytes, commands: Sequence[Command]) -> list[Any]:
        return await self._follow(key, commands, None)

    async def scattered(self, commands: Sequence[Command], node: str | None = None) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        shares: dict[Place, list[int]] = {}
        for at, command in enumerate(commands):
            shares.setdefault(await self._place(key_of(command), node), []).append(at)
        for place, share in shares.items():
            answers = await self._pipelined(place, [commands[at] for at in share])
            for at, answer in zip(share, answers, strict=True):
                if isinstance(answer, Moved | Ask):
                    self._learn_from(answer)
                    (answer,) = await self._follow(key_of(commands[at]), [commands[at]], node)
                replies[at] = answer
        return replies

    async def names(self) -> list[str]:
        await self._refresh()
        return [f"{host}:{port}" for host, port in self.map.places()]

    def name_of(self, key: str | bytes) -> str:
        host, port = self.map.place_of(slot_of(key)) or ("", 0)
        return f"{host}:{port}"

    async def dedicated(self, key: str | bytes | None, deadline: float) -> Any:
        place = await self._place(key, None)
        return async_client(self.address, place, deadline=deadline, connect=self.deadline, connections=1)

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    def lost(self) -> None:
        self.map.fresh = False

    async def _follow(self, key: str | bytes | None, commands: Sequence[Command], node: str | None) -> list[Any]:
        """On one connection, and on again where the first answer says that its slot is elsewhere."""
        replies: list[Any] = []
        place = await self._place(key, node)
        for _ in range(REDIRECTIONS):
            replies = await self._pipelined(place, commands)
            match replies[0]:
                case Moved() as moved:
                    self._learn_from(moved)
                    place = (moved.host or place[0], moved.port)
                case Ask() as ask:
                    asked = [c for command in commands for c in (("ASKING",), command)]
                    replies = (await self._pipelined((ask.host or place[0], ask.port), asked))[1::2]
                    break
                case _:
                    break
        return replies

    def _learn_from(self, error: Moved | Ask) -> None:
        if isinstance(error, Moved):
            if error.host:
                self.map.moved(error.slot_id, (error.host, error.port))
            self.lost()

    async def _place(self, key: str | bytes | None, node: str | None) -> Place:
        if node:
            host, _, port = node.rpartition(":")
            return host, int(port)
        await self._refresh()
        place = self.map.place_of(slot_of(self.home if key is None else key))
        if place is None and key is None:
            place = next(iter(self.map.places()), None)
        if place is None:
            self.lost()
            raise StoreUnavailable(self.address.shown, f"no node serves the slot of {key!r} now")
        return place

    async def _refresh(self) -> None:
        """Ask for the map where it is old: the nodes that we know, then those of REDIS_URL."""
        async with self._asking:
            if self.map.fresh:
                return
            last: Exception = StoreUnavailable(self.address.shown, "no node to ask")
            for place in dict.fromkeys([*self.map.places(), *self.address.places]):
                try:
                    with anyio.fail_after(self.deadline):
                        reply = await self._client(place).execute_command("CLUSTER", "SLOTS")
                except FAULTS as error:
                    last = error
                    continue
                if reply:
                    self.map.learn(reply, place)
                    await self._forget_others()
                    return
            raise last

    async def _forget_others(self) -> None:
        """Close the clients of nodes that are no primaries any more."""
        gone = set(self._clients) - set(self.map.places()) - set(self.address.places)
        for place in gone:
            await self._clients.pop(place).aclose()

    def _client(self, place: Place) -> Any:
        if place not in self._clients:
            self._clients[place] = async_client(
                self.address, place, deadline=self.deadline, connect=self.deadline, connections=self.connections
            )
        return self._clients[place]

    async def _pipelined(self, place: Place, commands: Sequence[Command]) -> list[Any]:
        try:
            return await pipelined(self._client(place), commands)
        except NO_ANSWER:
            self.lost()
            raise


async def pipelined(client: Any, commands: Sequence[Command]) -> list[Any]:
    """All on one connection in one round trip (no transaction); a refusal is an error in its place."""
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    replies: list[Any] = await pipe.execute(raise_on_error=False)
    return replies
