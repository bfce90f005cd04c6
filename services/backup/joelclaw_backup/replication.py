"""A replica for the time of one snapshot: asks a server for its data over the replication stream, and hangs up.

It sees everything a replica sees: all databases, function libraries, exact TTLs. It needs no file on the server's side
and none is written there: `rdb-only` makes a server stream even where `repl-diskless-sync` is `no` (tests/backup/
test_muted.py). So a full disk over there can't make our backup mute the bus. docs/decisions/0040 says why this client
is not redis-py's.

    AUTH · REPLCONF listening-port 0 · REPLCONF capa eof · REPLCONF rdb-only 1 · PSYNC ? -1
    → `+FULLRESYNC <id> <offset>`, then the dump as `$<bytes>`, or streamed from `$EOF:<40 bytes>` to those 40 bytes

A server that streams waits `repl-diskless-sync-delay` (5 s unless configured) before it begins. Newlines come in
between as signs of life. Every wait has a deadline; what is cut short is an error, never a shorter dump.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import anyio
from anyio.abc import ByteStream

from joelclaw_backup.address import Address
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of, class_of_reply

_MARK = 40
_LONGEST_LINE = 4096
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. silence: between two signs of life; the server sends one a second while it forks, then data."""

    connect: float = 10.0
    reply: float = 15.0
    silence: float = 60.0


PATIENT = Deadlines()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dump on its way. `size` is None where the server streams; `mode` is `disk` or `stream`."""

    replication_id: str
    offset: int
    size: int | None
    mark: bytes
    chunks: AsyncIterator[bytes]
    wire: _Wire

    @property
    def mode(self) -> Literal["stream", "disk"]:
        return "stream" if self.size is None else "disk"

    @property
    def announcement(self) -> bytes:
        """The line that the dump came after, for one to whom it is passed on."""
        return b"$EOF:" + self.mark + b"\r\n" if self.size is None else b"$%d\r\n" % self.size

    async def acknowledge(self, offset: int) -> None:
        """Tell the source how far we are; it answers nothing."""
        await self.wire.send("REPLCONF", "ACK", str(offset))

    async def stream(self) -> AsyncIterator[bytes]:
        """What the source's clients write from now on, as it comes; only for one who follows. BackupFailed."""
        while True:
            yield await self.wire.receive()


@asynccontextmanager
async def snapshot_of(
    address: Address, deadlines: Deadlines = PATIENT, *, follow: bool = False
) -> AsyncIterator[Snapshot]:
    """Ask for a snapshot; read `chunks` to their end inside the block. follow: the stream of commands is wanted after
    it. BackupFailed, classified."""
    wire = _Wire(await _connect(address, deadlines.connect), address.shown, deadlines)
    try:
        await wire.introduce(address, follow=follow)
        replication_id, offset = await wire.psync()
        size, mark = await wire.announced()
        chunks = wire.exactly(size) if size is not None else wire.until(mark)
        yield Snapshot(replication_id, offset, size, mark, chunks, wire)
    finally:
        await anyio.aclose_forcefully(wire.stream)


async def _connect(address: Address, seconds: float) -> ByteStream:
    try:
        with anyio.fail_after(seconds):
            if address.path:
                return await anyio.connect_unix(address.path)
            if address.tls:
                return await anyio.connect_tcp(address.host, address.port, ssl_context=address.tls_context())
            return await anyio.connect_tcp(address.host, address.port)
    except (OSError, TimeoutError) as error:
        cause: BaseException = error
        while not isinstance(cause, TimeoutError) and cause.__cause__ is not None and not getattr(cause, "errno", None):
            cause = cause.__cause__
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise BackupFailed(class_of(cause), f"{address.shown} can't be reached: {cause or 'timed out'}") from error


@dataclass
class _Wire:
    """One connection, and what was read ahead of need."""

    stream: ByteStream
    where: str
    deadlines: Deadlines
    ahead: bytes = b""

    async def introduce(self, address: Address, *, follow: bool) -> None:
        if address.password:
            name = (address.user,) if address.user else ()
            await self.ask("AUTH", *name, address.password)
        await self.ask("REPLCONF", "listening-port", "0")
        await self.ask("REPLCONF", "capa", "eof")
        if not follow:
            await self.ask("REPLCONF", "rdb-only", "1", needed=False)  # 7.0 and newer: no stream after the dump

    async def psync(self) -> tuple[str, int]:
        """(replication id, offset) of the snapshot to come."""
        told = await self.ask("PSYNC", "?", "-1")
        found = re.fullmatch(r"\+FULLRESYNC ([0-9a-f]{40}) (-?[0-9]+)", told)
        if not found:
            raise self.failed(FailureClass.SNAPSHOT_REFUSED, f"answered PSYNC with {told[:80]!r}")
        return found[1], int(found[2])

    async def announced(self) -> tuple[int | None, bytes]:
        """(bytes to come, empty) or (None, the mark that ends them)."""
        line = await self.line(self.deadlines.silence)
        if found := re.fullmatch(rb"\$EOF:(.{40})", line):
            return None, found[1]
        if found := re.fullmatch(rb"\$([0-9]{1,18})", line):
            return int(found[1]), b""
        raise self.failed(FailureClass.SNAPSHOT_REFUSED, f"announced its dump with {line[:80]!r}")

    async def exactly(self, size: int) -> AsyncIterator[bytes]:
        left = size
        while left:
            chunk = await self.receive()
            chunk, self.ahead = chunk[:left], chunk[left:]  # the rest is the stream
            left -= len(chunk)
            yield chunk

    async def until(self, mark: bytes) -> AsyncIterator[bytes]:
        """The last 40 bytes are held back until more come: they may be the mark."""
        held = b""
        while True:
            held += await self.receive()
            if held[-_MARK:] == mark:
                yield held[:-_MARK]
                return
            if len(held) > _MARK:
                yield held[:-_MARK]
                held = held[-_MARK:]

    async def ask(self, *words: str, needed: bool = True) -> str:
        """One command, its one-line reply. A refusal of what is `needed` is a failure; never shows the command."""
        await self.send(*words)
        told = (await self.line(self.deadlines.reply)).decode("utf-8", "replace")
        if told.startswith("-") and needed:
            raise self.failed(class_of_reply(told[1:].split(" ", 1)[0]), f"refuses {words[0]}: {told[1:300]}")
        return told

    async def send(self, *words: str) -> None:
        """One command. BackupFailed never shows more of it than its name."""
        parts = [word.encode() for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        try:
            with anyio.fail_after(self.deadlines.reply):
                await self.stream.send(request)
        except TimeoutError as error:
            raise self.failed(FailureClass.TIMEOUT, f"did not take {words[0]}") from error
        except (OSError, anyio.BrokenResourceError) as error:
            raise self.failed(FailureClass.CONNECTION_RESET, f"broke the connection at {words[0]}") from error

    async def line(self, seconds: float) -> bytes:
        """The next line that isn't empty: empty ones are signs of life."""
        while True:
            found, newline, rest = self.ahead.partition(b"\n")
            if newline:
                self.ahead = rest
                if text := found.rstrip(b"\r"):
                    return text
                continue
            if len(self.ahead) > _LONGEST_LINE:
                raise self.failed(FailureClass.SNAPSHOT_REFUSED, "does not speak the replication protocol")
            before, self.ahead = self.ahead, b""
            self.ahead = before + await self.receive(seconds)

    async def receive(self, seconds: float | None = None) -> bytes:
        if self.ahead:
            chunk, self.ahead = self.ahead, b""
            return chunk
        try:
            with anyio.fail_after(seconds or self.deadlines.silence):
                return await self.stream.receive(_CHUNK)
        except TimeoutError as error:
            raise self.failed(
                FailureClass.TIMEOUT, f"was silent for {seconds or self.deadlines.silence:g} s"
            ) from error
        except anyio.EndOfStream as error:
            raise self.failed(FailureClass.CONNECTION_RESET, "hung up before its dump was whole") from error
        except (OSError, anyio.BrokenResourceError) as error:
            raise self.failed(FailureClass.CONNECTION_RESET, f"broke the connection ({error or 'reset'})") from error

    def failed(self, failure_class: FailureClass, problem: str) -> BackupFailed:
        return BackupFailed(failure_class, f"source {self.where} {problem}")
