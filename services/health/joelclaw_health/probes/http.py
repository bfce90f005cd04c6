"""GET /ready of every live worker, with a deadline. h11 is the protocol; this file moves the bytes.

Connections are one a probe and at most eight at once, so that probing can't use up the host's ports.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import h11

from joelclaw_contracts import Outcome
from joelclaw_health.probes.heartbeats import fresh
from joelclaw_health.registry import Expected
from joelclaw_health.sample import Sample

CONDITION = "http"
AT_ONCE = 8
BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    outcome: Outcome
    text: str


async def http(e: Expected, *, now: int, silent_ms: int, timeout: float, limit: anyio.CapacityLimiter) -> list[Sample]:
    """One component: ok if any live worker is ready, failing if none is and one says so. No sample where none lives:
    its heartbeat says that, and one cause shall not be told twice."""
    urls = [b.http for b in fresh(e.beats, now=now, silent_ms=silent_ms) if b.http]
    if not urls:
        return []
    replies: list[Reply] = []

    async def ask(url: str) -> None:
        async with limit:
            replies.append(await get_ready(url, timeout))

    async with anyio.create_task_group() as tasks:
        for url in urls:
            tasks.start_soon(ask, url)
    ready = sum(r.outcome == "ok" for r in replies)
    outcomes = {r.outcome for r in replies}
    outcome: Outcome = "ok" if ready else "failing" if "failing" in outcomes else "unknown"
    reason = "" if ready else "; ".join(dict.fromkeys(r.text for r in replies))
    return [Sample(e.name, CONDITION, outcome, now, f"{ready} of {len(replies)} ready", reason, e.started_ms)]


async def get_ready(url: str, timeout: float) -> Reply:
    """200 is ok; another status or a refused connection is failing; silence is unknown."""
    parts = urlsplit(url)
    try:
        with anyio.fail_after(timeout):
            status, body = await _get(parts.hostname or "", parts.port or 80, "/ready")
    except TimeoutError:
        return Reply("unknown", f"no answer within {timeout:g} s")
    except (anyio.BrokenResourceError, anyio.EndOfStream, h11.RemoteProtocolError) as error:
        return Reply("unknown", f"the answer broke off ({type(error).__name__})")
    except OSError as error:
        refused = isinstance(_root(error), ConnectionRefusedError)
        return Reply("failing", "connection refused") if refused else Reply("unknown", str(error))
    return Reply("ok", "ready") if status == 200 else Reply("failing", f"HTTP {status}{_reasons(body)}")


async def _get(host: str, port: int, path: str) -> tuple[int, bytes]:
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=path, headers=[("Host", f"{host}:{port}"), ("Connection", "close")])
    status, body = 0, b""
    async with await anyio.connect_tcp(host, port) as stream:
        await stream.send((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        while True:
            event = connection.next_event()
            match event:
                case h11.NEED_DATA:
                    try:
                        connection.receive_data(await stream.receive())
                    except anyio.EndOfStream:
                        connection.receive_data(b"")
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += bytes(event.data)
                    if len(body) > BODY_BYTES:
                        return status, body
                case _:
                    return status, body


def _reasons(body: bytes) -> str:
    """What a pod's /ready says of itself."""
    try:
        told: Sequence[object] = json.loads(body)["reasons"]
        return ": " + "; ".join(str(r) for r in told)[:300] if told else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _root(error: BaseException) -> BaseException:
    """anyio wraps what each address answered."""
    while isinstance(error, BaseExceptionGroup) or error.__cause__ is not None:
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error
    return error
