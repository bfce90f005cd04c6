"""The probes' HTTP server: what `answers.py` says, over sockets. h11 is the protocol; this room moves bytes.

Bounds: one request a connection (closed by us, so that pollers' ports are not used up), its head at most 8 KiB, three
seconds for all of it, 64 connections at once. A caller who sends a byte a second is cut off at the third second.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import h11
from anyio.abc import SocketAttribute, SocketStream, TaskStatus

from joelclaw_pod.answers import Answer, Page, answer, failure
from joelclaw_pod.errors import CannotListen
from joelclaw_pod.worker_like import Health

HEAD_BYTES = 8 * 1024
SECONDS = 3.0
CONNECTIONS = 64


@dataclass(eq=False)
class Probes:
    """The server of one service. `health` is asked at every request; `seconds` bounds one connection."""

    service: str
    health: Callable[[], Health]
    metrics: Page
    host: str = "127.0.0.1"
    port: int = 0
    seconds: float = SECONDS
    connections: int = CONNECTIONS
    _open: int = field(default=0, init=False)

    async def serve(self, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; reports its address, `http://host:port`, once it listens. CannotListen."""
        try:
            listener = await anyio.create_tcp_listener(local_host=self.host, local_port=self.port)
        except (OSError, ValueError) as error:
            raise CannotListen(self.host, self.port, _why(error)) from error
        async with listener:
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610  anyio's, no query of Django's
            host = f"[{self.host}]" if ":" in self.host else self.host
            task_status.started(f"http://{host}:{port}")
            await listener.serve(self._connection)

    async def _connection(self, stream: SocketStream) -> None:
        self._open += 1
        try:
            with anyio.move_on_after(self.seconds):
                async with stream:
                    if self._open <= self.connections:
                        await self._exchange(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass  # the caller went away: nobody is left to tell
        finally:
            self._open -= 1

    async def _exchange(self, stream: SocketStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        reply, head = await self._reply(connection, stream)
        if reply is None:
            return
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        headers += [("Connection", "close"), ("Cache-Control", "no-store")]
        if reply.status == 405:
            headers.append(("Allow", "GET"))
        sent = connection.send(h11.Response(status_code=reply.status, headers=headers)) or b""
        if not head:
            sent += connection.send(h11.Data(data=reply.body)) or b""
            sent += connection.send(h11.EndOfMessage()) or b""
        await stream.send(sent)
        await stream.send_eof()

    async def _reply(self, connection: h11.Connection, stream: SocketStream) -> tuple[Answer | None, bool]:
        """(what to answer, whether without its body); no answer for a caller who never asked."""
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return failure(error.error_status_hint, "not a request that HTTP/1.1 allows"), False
            if isinstance(event, h11.Request):
                method = event.method.decode("ascii")
                target = event.target.decode("ascii")
                return answer(method, target, self.service, self.health(), self.metrics), method == "HEAD"
            if event is not h11.NEED_DATA:
                return None, False
            try:
                connection.receive_data(await stream.receive(HEAD_BYTES))
            except anyio.EndOfStream:
                connection.receive_data(b"")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "it is in use"
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return "this user may not take it"
    return str(error)
