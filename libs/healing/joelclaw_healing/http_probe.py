"""One HTTP question with one deadline over all of it: connecting, asking, answering. A drip-fed answer is late too."""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream

MOST_BYTES = 16 * 1024


class Http(StrEnum):
    UNASKED = "not asked"
    OK = "answers"
    REFUSED = "refuses the connection"
    WRONG = "answers wrongly"
    SILENT = "does not answer in time"


async def ask(url: str, seconds: float) -> tuple[Http, str]:
    """What it says, and a sentence for people. Never raises for anything that the other side does."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with anyio.fail_after(seconds):
            line = await _first_line(host, parts.port or (443 if secure else 80), secure, path, parts.netloc)
    except TimeoutError:
        return Http.SILENT, f"no answer within {seconds:g} s"
    except (OSError, ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        if any(getattr(e, "errno", None) == errno.ECONNREFUSED for e in _causes(error)):
            return Http.REFUSED, "connection refused"
        if isinstance(error, anyio.EndOfStream | anyio.BrokenResourceError):
            return Http.WRONG, "it closed the connection without an answer"
        return Http.SILENT, f"unreachable: {type(error).__name__}: {error}"
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", line)
    if status is None:
        return Http.WRONG, "its answer is no HTTP"
    code = int(status[1])
    return (Http.OK if 200 <= code < 300 else Http.WRONG), f"HTTP {code}"


async def _first_line(host: str, port: int, secure: bool, path: str, name: str) -> bytes:
    connected: ByteStream = (
        await anyio.connect_tcp(host, port, tls=True, tls_standard_compatible=False)
        if secure
        else await anyio.connect_tcp(host, port)
    )
    async with connected as stream:
        request = f"GET {path} HTTP/1.1\r\nHost: {name.rpartition('@')[2]}\r\nConnection: close\r\nAccept: */*\r\n\r\n"
        await stream.send(request.encode("ascii", "replace"))
        got = b""
        while b"\n" not in got and len(got) < MOST_BYTES:
            got += await stream.receive()
        return got


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__
