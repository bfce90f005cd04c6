from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from tests.pod.conftest import eventually

from joelclaw_pod.answers import Page
from joelclaw_pod.errors import CannotListen
from joelclaw_pod.probes import Probes
from joelclaw_pod.worker_like import Condition

METRICS = Page("text/plain; version=0.0.4", lambda: b"m 1\n")


@asynccontextmanager
async def probes(condition: Condition | None = None, **more: float) -> AsyncIterator[str]:
    health = condition or Condition(ready=True)
    server = Probes("router", lambda: health, METRICS, **more)  # type: ignore[arg-type]  # a test's few knobs
    async with anyio.create_task_group() as group:
        yield await group.start(server.serve)
        group.cancel_scope.cancel()


async def raw(http: str) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", int(http.rpartition(":")[2]))


async def all_of(stream: SocketStream) -> bytes:
    whole = b""
    with anyio.fail_after(60):
        try:
            while True:
                whole += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return whole


async def test_a_client_gets_each_page() -> None:
    async with probes() as http, httpx.AsyncClient(base_url=http) as client:
        assert (await client.get("/ready")).json()["ok"] is True
        metrics = await client.get("/metrics")
        assert (metrics.text, metrics.headers["content-type"]) == ("m 1\n", METRICS.content_type)
        refused = await client.post("/ready", content=b"x" * 10)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
        head = await client.head("/ready")
        assert (head.status_code, head.content) == (405, b"")


async def test_not_ready_is_503() -> None:
    async with probes(Condition(False, reasons=("why",))) as http, httpx.AsyncClient(base_url=http) as client:
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/live")).status_code == 200


async def test_a_caller_who_dribbles_is_cut_off_and_others_are_served_meanwhile() -> None:
    async with probes(seconds=0.5) as http:
        slow = await raw(http)
        await slow.send(b"GET /live HTTP/1.1\r\n")
        async with httpx.AsyncClient(base_url=http) as client:
            assert (await client.get("/live")).status_code == 200
        assert await all_of(slow) == b""
        await slow.aclose()


async def test_a_head_without_end_is_refused() -> None:
    async with probes() as http:
        stream = await raw(http)
        await stream.send(b"GET /live HTTP/1.1\r\nX: " + b"a" * 20_000)
        assert (await all_of(stream))[:12] in (b"HTTP/1.1 431", b"")  # unread bytes may reset the connection first
        await stream.aclose()


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /live\r\n\r\n", b"GET  / HTTP/9\r\n\r\n"])
async def test_garbage_is_a_bad_request(garbage: bytes) -> None:
    async with probes() as http:
        stream = await raw(http)
        await stream.send(garbage)
        assert (await all_of(stream)).startswith(b"HTTP/1.1 400")
        await stream.aclose()


async def test_callers_beyond_the_bound_are_turned_away_and_the_next_is_served() -> None:
    async with probes(seconds=600, connections=2) as http:
        held = [await raw(http) for _ in range(2)]
        third = await raw(http)
        assert await all_of(third) == b"", "it was held like the others"
        for stream in (*held, third):
            await stream.aclose()
        async with httpx.AsyncClient(base_url=http) as client:

            async def served() -> bool:
                with suppress(httpx.TransportError):  # its server has yet to see that the others left
                    return (await client.get("/live")).status_code == 200
                return False

            await eventually(served)


async def test_a_caller_who_leaves_at_once_does_no_harm() -> None:
    async with probes() as http:
        for _ in range(5):
            await (await raw(http)).aclose()
        async with httpx.AsyncClient(base_url=http) as client:
            assert (await client.get("/live")).status_code == 200


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1 port {port}: it is in use; .*JOELCLAW_HTTP_PORT"):
            await Probes("router", lambda: Condition(True), METRICS, port=port).serve()


async def test_an_address_that_is_none_is_one_clear_line() -> None:
    with pytest.raises(CannotListen, match=r"can't listen on 203\.0\.113\.7 port 0"):
        await Probes("router", lambda: Condition(True), METRICS, host="203.0.113.7").serve()
