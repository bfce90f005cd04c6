"""`Store` as a simulated process has it: the same calls, over the simulated network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio

from joelclaw_bus.address import read_address
from joelclaw_bus.keys import Keys
from joelclaw_bus.nodes import Nodes
from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg, BlockingStore, Command, Listener, Reader, Store, StoreSettings
from tests.simulation.network import WHERE, Network

if TYPE_CHECKING:
    from tests.simulation.process import Process

DEADLINE = 5.0


class SimStore(Store):
    def __init__(self, network: Network, process: Process) -> None:
        nowhere = cast(Nodes, None)  # whatever it is asked goes over the simulated network
        super().__init__(StoreSettings(WHERE, deadline=DEADLINE), Keys(), read_address(WHERE), nowhere)
        self.network, self.process = network, process

    async def call(self, *command: Arg, node: str | None = None) -> Any:
        return await self.network.send(self.process, lambda: self.network.command(self.process, command), DEADLINE)

    async def calls(self, commands: Iterable[Command], *, node: str | None = None) -> list[Any]:
        all_of_them = list(commands)
        answer = await self.network.send(
            self.process, lambda: self.network.commands(self.process, all_of_them), DEADLINE
        )
        return cast(list[Any], answer)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        return await self.network.send(
            self.process, lambda: self.network.script(self.process, script, keys, args), DEADLINE
        )

    @asynccontextmanager
    async def reader(self, block: float) -> AsyncIterator[Reader]:
        yield cast(Reader, _SimReader(self.network, self.process, block))

    @asynccontextmanager
    async def listener(self, channel: str) -> AsyncIterator[Listener]:
        self.network.listen(self.process, channel)
        try:
            yield cast(Listener, _SimListener(self.network, self.process))
        finally:
            self.network.deafen(self.process)

    def blocking_client(self, deadline: float) -> BlockingStore:
        return cast(BlockingStore, _SimThread(self.network, self.process))

    def node_of(self, key: str) -> str:
        return "the only one"

    async def node_names(self) -> list[str]:
        return ["the only one"]

    async def close(self) -> None:
        return


class _SimReader:
    def __init__(self, network: Network, process: Process, block: float) -> None:
        self._network, self._process, self._block = network, process, block

    async def call(self, *command: Arg) -> Any:
        """BLOCK is taken out of the command: the server must never make the whole simulation wait."""
        block: float | None = None
        words = list(command)
        if "BLOCK" in words:
            at = words.index("BLOCK")
            block = float(words[at + 1]) / 1000
            del words[at : at + 2]
        return await self._network.send(
            self._process, lambda: self._network.read(self._process, words, block), self._block + DEADLINE
        )


class _SimListener:
    def __init__(self, network: Network, process: Process) -> None:
        self._network, self._process = network, process

    async def next(self, timeout: float) -> bytes | None:
        with anyio.move_on_after(timeout):
            return await self._network.heard(self._process)
        return None


class _SimThread:
    """The renewal's client."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network, self._process = network, process

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        return self._network.at_once(self._process, lambda: self._network.script(self._process, script, keys, args))

    def close(self) -> None:
        return
