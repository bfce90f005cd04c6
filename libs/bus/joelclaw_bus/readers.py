"""Blocking reads of one group, and the messages of one channel: each on a connection of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio

from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.nodes import Nodes
from joelclaw_bus.replies import FAULTS, Ask, Moved, translate
from joelclaw_bus.routing import Arg, key_of


@dataclass(eq=False)
class Reader:
    """Blocking reads on a connection of their own, to the node of the first command's key."""

    _nodes: Nodes
    _where: str
    _deadline: float
    _client: Any = None

    async def call(self, *command: Arg) -> Any:
        """StoreUnavailable also when the slot has moved: its reader comes back, and finds the new node."""
        try:
            if self._client is None:
                self._client = await self._nodes.dedicated(key_of(command), self._deadline)
            return await self._client.execute_command(*command)
        except FAULTS as error:
            self._nodes.lost()
            if isinstance(error, Moved | Ask):
                raise StoreUnavailable(self._where, "the slot has moved to another node") from error
            raise translate(error, self._where) from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


@dataclass(eq=False)
class Listener:
    """Messages of one channel. On a quiet one nothing would tell that its connection is dead, so it is asked."""

    _pubsub: Any
    _where: str
    _deadline: float
    _heard: float
    _asked: bool = False

    async def next(self, timeout: float) -> bytes | None:
        """The next message, or None after `timeout` seconds. StoreUnavailable when even a PING gets no answer."""
        try:
            message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=timeout)
            now = anyio.current_time()
            if message:
                self._heard, self._asked = now, False
            elif now - self._heard > self._deadline:
                if self._asked:
                    raise StoreUnavailable(
                        self._where, f"its subscription is silent, a PING too, for {self._deadline} s"
                    )
                await self._pubsub.ping()
                self._heard, self._asked = now, True
        except FAULTS as error:
            raise translate(error, self._where) from error
        return bytes(message["data"]) if message and message["type"] == "message" else None
