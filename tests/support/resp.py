"""The wire as RESP2 has it: one request or one reply at a time, as raw bytes, and what kind of request it is."""

from __future__ import annotations

from functools import cache

from anyio.streams.buffered import BufferedByteReceiveStream

from joelclaw_bus.script import load_script, scripts_of

LONGEST_LINE = 64 * 1024


async def read_line(stream: BufferedByteReceiveStream) -> bytes:
    return await stream.receive_until(b"\r\n", LONGEST_LINE)


async def read_request(stream: BufferedByteReceiveStream) -> list[bytes]:
    """One command as clients send it: an array of bulk strings."""
    words = []
    for _ in range(int((await read_line(stream))[1:])):
        size = int((await read_line(stream))[1:])
        words.append((await stream.receive_exactly(size + 2))[:-2])
    return words


async def read_reply(stream: BufferedByteReceiveStream) -> bytes:
    """One whole reply, raw."""
    line = await read_line(stream)
    raw, kind, count = line + b"\r\n", line[:1], line[1:]
    if kind == b"$" and count != b"-1":
        raw += await stream.receive_exactly(int(count) + 2)
    if kind == b"*" and count != b"-1":
        raw += b"".join([await read_reply(stream) for _ in range(int(count))])
    return raw


def encode(request: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(request) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in request)


@cache
def _scripts() -> dict[bytes, str]:
    return {load_script("joelclaw_bus", name).sha.encode(): name for name in scripts_of("joelclaw_bus")}


def kind_of(request: list[bytes]) -> str:
    """`begin`, `park` … for a script that is called by its hash; else the command's name, as in `XREADGROUP`."""
    name = request[0].decode().upper()
    return _scripts().get(request[1], name) if name == "EVALSHA" else name
