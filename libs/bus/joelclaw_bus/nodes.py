"""Where a command goes: to the one server or to the primary that the sentinels name; `cluster` has the other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from joelclaw_bus.address import Address
from joelclaw_bus.connect import async_client
from joelclaw_bus.convoy import Convoy
from joelclaw_bus.routing import Command

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
        self._convoy = Convoy(self._client)

    async def send(self, command: Command, node: str | None = None) -> Any:
        reply = await self._convoy.send(command)
        if isinstance(reply, Exception):
            raise reply
        return reply

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


async def pipelined(client: Any, commands: Sequence[Command]) -> list[Any]:
    """All on one connection in one round trip (no transaction); a refusal is an error in its place."""
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    replies: list[Any] = await pipe.execute(raise_on_error=False)
    return replies
