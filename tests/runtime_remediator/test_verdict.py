"""The table of looks, and the page that says when it is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from joelclaw_healing import GuardLimits, Seen
from joelclaw_healing.http_probe import Http, ask
from joelclaw_runtime_remediator.process import Sighting, State
from joelclaw_runtime_remediator.sample import Sample
from joelclaw_runtime_remediator.verdict import Verdict, verdict
from joelclaw_runtime_remediator.watch import Watch, pause_s, watch
from tests.support.server import free_port

OK, BAD, UNKNOWN = Seen.OK, Seen.FAILING, Seen.UNKNOWN
COLUMNS = (Http.UNASKED, Http.OK, Http.REFUSED, Http.WRONG, Http.SILENT)


@pytest.mark.parametrize(
    ("state", "row"),
    [
        (State.RUNNING, (OK, OK, BAD, BAD, UNKNOWN)),
        (State.STOPPED, (BAD, BAD, BAD, BAD, BAD)),
        (State.GONE, (BAD, OK, BAD, UNKNOWN, UNKNOWN)),
        (State.NEVER, (BAD, OK, BAD, UNKNOWN, UNKNOWN)),
        (State.UNCLEAR, (UNKNOWN, OK, UNKNOWN, UNKNOWN, UNKNOWN)),
        (None, (UNKNOWN, OK, UNKNOWN, UNKNOWN, UNKNOWN)),
    ],
)
def test_the_table(state: State | None, row: tuple[Seen, ...]) -> None:
    process = Sighting(state) if state else None
    assert tuple(verdict(process, http).seen for http in COLUMNS) == row


def test_only_a_living_process_that_does_not_answer_may_be_starting() -> None:
    assert verdict(Sighting(State.RUNNING), Http.REFUSED) == Verdict(BAD, starting_may_explain=True)
    assert not verdict(Sighting(State.GONE), Http.REFUSED).starting_may_explain


LIMITS = GuardLimits(start_grace_ms=8_000, stability_ms=90, passes=3)


def sample(at: int, seen: Seen, *, starting: bool = False, age: int | None = None) -> Sample:
    return Sample(at, seen, "", "", "", starting=starting, age_ms=age)


@pytest.mark.parametrize(
    ("samples", "means"),
    [
        ([(0, OK), (45, OK), (90, OK)], Watch.HELD),
        ([(0, OK), (45, OK), (89, OK)], Watch.GO_ON),
        ([(0, OK), (90, OK)], Watch.GO_ON),
        ([(0, OK), (45, UNKNOWN), (90, OK)], Watch.GO_ON),
        ([(0, OK), (45, BAD)], Watch.FAILED),
        ([(0, UNKNOWN), (8_271, UNKNOWN)], Watch.UNVERIFIED),
        ([(0, UNKNOWN), (100, UNKNOWN)], Watch.GO_ON),
    ],
)
def test_mended_is_what_has_stayed_good(samples: list[tuple[int, Seen]], means: Watch) -> None:
    assert watch([sample(at, seen) for at, seen in samples], LIMITS) is means


def test_a_start_in_its_grace_is_waited_for_and_a_late_one_failed() -> None:
    assert watch([sample(0, BAD, starting=True, age=7_999)], LIMITS) is Watch.GO_ON
    assert watch([sample(0, BAD, starting=True, age=8_000)], LIMITS) is Watch.FAILED


def test_the_passes_are_spread_over_the_window() -> None:
    assert pause_s([sample(0, OK)], LIMITS, 10_000) == 0.045
    assert pause_s([sample(0, BAD)], LIMITS, 42) == 0.042
    assert pause_s([sample(0, BAD)], LIMITS, 1) == 0.04


async def served(answer: Callable[[Any], Any], seconds: float = 5) -> Http:
    """What is said of a server that answers like that."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        said, _ = await ask(f"http://127.0.0.1:{port}/x?y=1", seconds)
        tasks.cancel_scope.cancel()
    await listener.aclose()
    return said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Http.OK),
        (b"HTTP/1.0 200 OK\r\n\r\n", Http.OK),
        (b"HTTP/1.1 302 Found\r\n\r\n", Http.WRONG),
        (b"HTTP/1.1 503 No\r\n\r\n", Http.WRONG),
        (b"SSH-2.0-OpenSSH\r\n", Http.WRONG),
        (b"", Http.WRONG),
    ],
)
async def test_two_hundreds_are_good_and_all_else_that_answers_is_wrong(reply: bytes, said: Http) -> None:
    async def answer(stream: Any) -> None:
        async with stream:
            await stream.receive()
            if reply:
                await stream.send(reply)

    assert await served(answer) is said


async def test_a_drip_fed_answer_is_late() -> None:
    async def answer(stream: Any) -> None:
        async with stream:
            for _ in range(10_000):
                await stream.send(b"H")
                await anyio.sleep(0.05)

    assert await served(answer, seconds=0.3) is Http.SILENT


async def test_nobody_there_refuses_and_no_such_name_is_silence() -> None:
    port = free_port()
    for host in ("127.0.0.1", "localhost"):
        assert (await ask(f"http://{host}:{port}/", 5))[0] is Http.REFUSED
    assert (await ask("http://no-such-host.invalid/", 5))[0] is Http.SILENT


async def test_a_certificate_that_nobody_trusts_is_no_wrong_answer() -> None:
    async def answer(stream: Any) -> None:
        async with stream:
            await stream.send(b"no TLS here\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        said, told = await ask(f"https://127.0.0.1:{port}/", 5)
        tasks.cancel_scope.cancel()
    await listener.aclose()
    assert said is Http.SILENT, told
