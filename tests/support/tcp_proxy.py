"""A TCP proxy that can fail as networks do: connections cut, connections that freeze silently, answers that come late.

    proxy = TcpProxy(server.port).start()
    ... talk to proxy.port ...
    proxy.cut()          every connection ends, new ones work
    proxy.black_hole()   every connection freezes without a word and stays open; new ones work
    proxy.delay(0.2)     bytes of every connection, old and new, arrive so much later
    proxy.stop()

It runs in a thread with an event loop of its own, so that tests of any kind can use it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class _Half(asyncio.Protocol):
    """One side of a connection: what it reads goes to the other side."""

    def __init__(self, proxy: TcpProxy, other: _Half | None = None) -> None:
        self.proxy, self.other = proxy, other
        self.transport: asyncio.Transport | None = None
        self.frozen = False
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.other is None:  # the client's side: the server's is dialled
            self.other = _Half(self.proxy, self)
            self.proxy.connections.add(self)
            task = self.proxy.loop.create_task(self._dial(self.other))
            self.proxy.dialling.add(task)
            task.add_done_callback(self.proxy.dialling.discard)
        else:
            for data in self.other._early:
                transport.write(data)
            self.other._early.clear()

    async def _dial(self, other: _Half) -> None:
        try:
            await self.proxy.loop.create_connection(lambda: other, "127.0.0.1", self.proxy.target)
        except OSError:
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self.proxy.lag:
            self.proxy.loop.call_later(self.proxy.lag, self._forward, data)
        else:
            self._forward(data)

    def _forward(self, data: bytes) -> None:
        if self.frozen:  # it was on its way when the line froze
            return
        assert self.other is not None
        if self.other.transport is None:
            self._early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.frozen:
            self.abort()

    def abort(self) -> None:
        """End both sides, as a reset does."""
        for half in (self, self.other):
            if half is not None:
                self.proxy.connections.discard(half)
                if half.transport is not None and not half.transport.is_closing():
                    half.transport.abort()

    def freeze(self) -> None:
        """Carry nothing more, and tell neither side: not even that the other one has gone."""
        for half in (self, self.other):
            if half is not None:
                half.frozen = True
                if half.transport is not None and not half.transport.is_closing():
                    half.transport.pause_reading()


class TcpProxy:
    """Listens on `port` of 127.0.0.1 (any free one by default) and passes everything on to `target`."""

    def __init__(self, target: int, port: int = 0) -> None:
        self.target, self.port = target, port
        self.lag = 0.0
        self.loop = asyncio.new_event_loop()
        self.connections: set[_Half] = set()
        self.dialling: set[asyncio.Task[None]] = set()
        self._frozen: set[_Half] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, name="tcp-proxy", daemon=True)

    def start(self) -> TcpProxy:
        self._thread.start()

        async def listen() -> None:
            self._server = await self.loop.create_server(lambda: _Half(self), "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(listen(), self.loop).result(5)
        return self

    @property
    def open(self) -> int:
        """How many connections there are now, frozen ones aside."""
        return len(self.connections)

    def cut(self) -> int:
        """End every connection at once; how many there were. Frozen ones stay as they are."""

        def cut() -> int:
            halves = list(self.connections)
            for half in halves:
                half.abort()
            return len(halves)

        return self._do(cut)

    def black_hole(self) -> int:
        """Freeze every connection silently; how many there were. New ones work."""

        def freeze() -> int:
            halves = list(self.connections)
            for half in halves:
                half.freeze()
            self._frozen |= self.connections
            self.connections.clear()
            return len(halves)

        return self._do(freeze)

    def delay(self, seconds: float) -> None:
        """From now on bytes arrive so much later. Lower it only while nothing is on its way, or they overtake."""

        def slow() -> None:
            self.lag = seconds

        self._do(slow)

    def stop(self) -> None:
        def end() -> None:
            if self._server:
                self._server.close()
            for task in self.dialling:
                task.cancel()
            for half in [*self.connections, *self._frozen]:
                half.abort()
            self.loop.call_soon(self.loop.stop)

        if self._thread.is_alive():
            self._do(end)
            self._thread.join(5)
        self.loop.close()

    def _do(self, act: Callable[[], T]) -> T:
        """Run it in the loop's thread; what it says."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(act())
            except BaseException as error:  # it belongs to the caller's thread, whatever it is
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(5)
