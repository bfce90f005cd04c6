"""A proxy before the store that breaks what it is told to: answers a command itself, loses a reply, swallows bytes.

    async with RespProxy(server.port, judge) as proxy:
        open_store(StoreSettings(proxy.url))

`judge` sees each request's kind (see `resp.py`) and says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.resp import encode, kind_of, read_reply, read_request

GONE = (
    *(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError),
    *(anyio.IncompleteRead, anyio.DelimiterNotFound, OSError),
)


@dataclass(frozen=True)
class Refuse:
    """The command never reaches the server. `text`: the error as a server would write it, `READONLY You can't …`."""

    text: str


@dataclass(frozen=True)
class LoseReply:
    """The server executes the command; its answer is lost with the connection."""


@dataclass(frozen=True)
class Delay:
    """The server executes the command at once; its answer comes late."""

    seconds: float


Verdict = Refuse | LoseReply | Delay | None


@dataclass(eq=False)
class _Connection:
    """`deaf`: from now on it takes bytes and gives none, and nobody closes it: a half-open socket."""

    client: ByteStream
    deaf: bool = False


@dataclass
class RespProxy:
    """`judge`: what becomes of a request of that kind; None lets it through."""

    target: int
    judge: Callable[[str, list[bytes]], Verdict] = lambda kind, request: None
    port: int = 0
    met: dict[str, int] = field(default_factory=dict)
    """How often each kind was asked for."""
    _open: list[_Connection] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many are open and heard."""
        return sum(not c.deaf for c in self._open)

    def deafen(self) -> int:
        """Black-hole all connections that are open now; new ones work. How many those were."""
        heard = [c for c in self._open if not c.deaf]
        for connection in heard:
            connection.deaf = True
        return len(heard)

    async def __aenter__(self) -> RespProxy:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
        await self._stack.enter_async_context(listener)
        self.port = int(listener.extra(SocketAttribute.local_port))
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(listener.serve, self._serve)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.aclose()

    async def _serve(self, client: ByteStream) -> None:
        connection = _Connection(client)
        self._open.append(connection)
        try:
            async with client, await anyio.connect_tcp("127.0.0.1", self.target) as server:
                await self._carry(connection, server)
        except GONE:
            pass  # either side may go: then the other is closed too
        finally:
            self._open.remove(connection)

    async def _carry(self, connection: _Connection, server: ByteStream) -> None:
        """One request and its reply after the other, until it becomes a subscription."""
        requests, replies = BufferedByteReceiveStream(connection.client), BufferedByteReceiveStream(server)
        while True:
            request = await read_request(requests)
            kind = kind_of(request)
            self.met[kind] = self.met.get(kind, 0) + 1
            verdict = self.judge(kind, request)
            if isinstance(verdict, Refuse):
                await self._give(connection, f"-{verdict.text}\r\n".encode())
                continue
            if not connection.deaf:
                await server.send(encode(request))
            if connection.deaf:
                await self._swallow(requests)
            reply = await read_reply(replies)
            if isinstance(verdict, LoseReply):
                return
            if isinstance(verdict, Delay):
                await anyio.sleep(verdict.seconds)
            await self._give(connection, reply)
            if kind == "SUBSCRIBE":
                return await self._pour(connection, requests, replies, server)

    async def _give(self, connection: _Connection, raw: bytes) -> None:
        if not connection.deaf:
            await connection.client.send(raw)

    async def _swallow(self, requests: BufferedByteReceiveStream) -> None:
        """Take bytes until the client has had enough."""
        while True:
            await requests.receive()

    async def _pour(
        self,
        connection: _Connection,
        requests: BufferedByteReceiveStream,
        replies: BufferedByteReceiveStream,
        server: ByteStream,
    ) -> None:
        """A subscription: both sides speak when they like."""

        async def forward() -> None:
            while True:
                raw = await requests.receive()
                if not connection.deaf:
                    await server.send(raw)

        async def back() -> None:
            while True:
                await self._give(connection, await replies.receive())

        async with anyio.create_task_group() as tasks:
            for way in (forward, back):
                tasks.start_soon(_until_gone, way, tasks.cancel_scope)


async def _until_gone(way: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
    try:
        await way()
    except GONE:
        scope.cancel()
