"""Where a command goes in a cluster: to the node of its key's slot.

Nothing here repeats what may have been done. MOVED and ASK say that nothing was: those are followed, a few times.
TRYAGAIN is the bus's own patience. redis-py's cluster client is not used: it repeats commands whose reply was lost, and
can put an ASKING, or a WAIT, on another connection than the command that it belongs to (decision 0063).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from joelclaw_bus.address import Address, Place
from joelclaw_bus.connect import async_client
from joelclaw_bus.convoy import Convoy
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.nodes import pipelined
from joelclaw_bus.replies import FAULTS, NO_ANSWER, Ask, Moved
from joelclaw_bus.routing import Command, SlotMap, key_of, slot_of

REDIRECTIONS = 4


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
    _convoys: dict[Place, Convoy] = field(default_factory=dict)
    _asking: anyio.Lock = field(default_factory=anyio.Lock)
    _told_by: tuple[Place, ...] = ()

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
        """Ask for the map where it is old: who told it last, the nodes that we know, then those of REDIS_URL."""
        async with self._asking:
            if self.map.fresh:
                return
            last: Exception = StoreUnavailable(self.address.shown, "no node to ask")
            for place in dict.fromkeys([*self._told_by, *self.map.places(), *self.address.places]):
                try:
                    reply = await self._client(place).execute_command("CLUSTER", "SLOTS")
                except FAULTS as error:
                    last = error
                    continue
                if reply:
                    self.map.learn(reply, place)
                    self._told_by = (place,)
                    await self._forget_others()
                    return
            raise last

    async def _forget_others(self) -> None:
        """Close the clients of nodes that are no primaries any more."""
        gone = set(self._clients) - set(self.map.places()) - set(self.address.places)
        for place in gone:
            self._convoys.pop(place, None)
            await self._clients.pop(place).aclose()

    def _convoy(self, place: Place) -> Convoy:
        client = self._client(place)
        if place not in self._convoys or self._convoys[place].client is not client:
            self._convoys[place] = Convoy(client)
        return self._convoys[place]

    def _client(self, place: Place) -> Any:
        if place not in self._clients:
            self._clients[place] = async_client(
                self.address, place, deadline=self.deadline, connect=self.deadline, connections=self.connections
            )
        return self._clients[place]

    async def _pipelined(self, place: Place, commands: Sequence[Command]) -> list[Any]:
        try:
            if len(commands) > 1:
                return await pipelined(self._client(place), commands)
            reply = await self._convoy(place).send(commands[0])
            if isinstance(reply, NO_ANSWER):
                raise reply
            return [reply]
        except NO_ANSWER:
            self.lost()
            raise
