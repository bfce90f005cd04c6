"""The master of one replica, for as long as we say: what it is given, and up to which byte, is ours to decide.

It speaks the master's side of the replication protocol on a port of this machine, to a replica that knows the password:

    ← AUTH … · PING · REPLCONF … · PSYNC ? -1
    → `+FULLRESYNC <id> <offset>`, the dump as it was announced to us, then the stream of commands, byte for byte

Anything else that connects gets no byte of the data.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.abc import SocketAttribute, SocketStream

from joelclaw_backup.beside import beside
from joelclaw_backup.failure import BackupFailed, FailureClass

_LONGEST = 64 * 1024


@dataclass
class Relay:
    """`port` and `password` are for the replica's settings."""

    port: int
    password: str = field(repr=False)
    _stream: SocketStream | None = None
    _asked: anyio.Event = field(default_factory=anyio.Event)

    async def begin(self, replication_id: str, offset: int, seconds: float) -> None:
        """Waits for the replica to ask, and announces a dump. BackupFailed (did-not-start) when it doesn't."""
        with anyio.move_on_after(seconds):
            await self._asked.wait()
        if not self._asked.is_set():
            raise BackupFailed(FailureClass.DID_NOT_START, f"a throwaway replica did not ask within {seconds:g} s")
        await self.send(f"+FULLRESYNC {replication_id} {offset}\r\n".encode())

    async def send(self, data: bytes) -> None:
        """To the replica. BackupFailed (did-not-start) when it is gone."""
        assert self._stream is not None
        try:
            await self._stream.send(data)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise BackupFailed(FailureClass.DID_NOT_START, "a throwaway replica hung up while it was fed") from error

    async def answer(self, stream: SocketStream) -> None:
        """One connection, to its end: questions until it may be fed, acknowledgements (unheard) after that."""
        trusted, heard = False, b""
        async with stream:
            try:
                while True:
                    heard += await stream.receive()
                    if self._stream is stream:
                        heard = b""
                        continue
                    while (found := _command(heard)) is not None:
                        words, heard = found
                        verb = words[0].upper() if words else b""
                        if verb == b"AUTH":
                            trusted = secrets.compare_digest(words[-1], self.password.encode())
                            await stream.send(b"+OK\r\n" if trusted else b"-WRONGPASS not this one\r\n")
                        elif not trusted:
                            await stream.send(b"-NOAUTH a password is needed\r\n")
                        elif verb == b"PSYNC" and self._stream is None:
                            self._stream, heard = stream, b""
                            self._asked.set()
                        else:
                            await stream.send(b"+PONG\r\n" if verb == b"PING" else b"+OK\r\n")
                    if len(heard) > _LONGEST:
                        return
            except (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


@asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """Listens on 127.0.0.1 while the block lasts."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra_attributes[SocketAttribute.local_port]()
        made = Relay(port, secrets.token_hex(16))
        async with beside(partial(listener.serve, made.answer)):
            yield made


def _command(heard: bytes) -> tuple[list[bytes], bytes] | None:
    """The first whole command and what follows it; None while it is not whole."""
    head = re.match(rb"\*([0-9]{1,3})\r\n", heard)
    if not head:
        line, end, rest = heard.partition(b"\r\n")
        return (line.split(), rest) if end and not heard.startswith(b"*") else None
    words, at = [], head.end()
    for _ in range(int(head[1])):
        size = re.compile(rb"\$([0-9]{1,6})\r\n").match(heard, at)
        if not size or len(heard) < size.end() + int(size[1]) + 2:
            return None
        words.append(heard[size.end() : size.end() + int(size[1])])
        at = size.end() + int(size[1]) + 2
    return words, heard[at:]
