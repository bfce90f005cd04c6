"""F16: the store did what it was asked, and its answer is lost or late: asked again, nothing is done twice."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_bus import Event, Functions, Publisher, Step, StoreSettings, event, open_store
from joelclaw_bus.observer import EventBuried, LeaseLost, RunEnded, RunParked, WorkerFault, WriteRefused
from joelclaw_bus.script import load_script
from tests.faults.everything import Everything, Job
from tests.faults.test_refusals import Once, impatient
from tests.support.resp_proxy import Delay, LoseReply, Refuse, RespProxy, Verdict
from tests.support.server import Server
from tests.support.workers import working

__all__ = ["impatient"]
NOT_NOW = "ERR not now"
"""A refusal of one thing: the worker goes on reading and promoting."""


async def test_the_reply_of_each_kind_of_call_is_lost_once_and_nothing_is_lost_or_doubled(one_server: Server) -> None:
    once, everything = Once(LoseReply()), Everything()
    async with (
        RespProxy(one_server.port, once.judge) as proxy,
        open_store(StoreSettings(one_server.url, deadline=30)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
    ):
        everything.crowded(direct)
        async with working(store, everything.functions, lease_ms=600, block=0.1, chores=0.1) as seen:
            await once.meets_all(lambda: everything.send(direct, 1, invalid=1))
            await everything.all_settled(direct)
        await everything.check(direct, seen)
    assert not once.left
    assert not seen.all(WorkerFault)


@pytest.mark.parametrize("kind", ["bury", "finish", "begin"])
async def test_an_answer_that_comes_after_a_renewal_costs_no_lease_and_no_evidence(
    one_server: Server, kind: str
) -> None:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1)
    async def work(e: Event[Job], step: Step) -> None:
        return None

    def late(asked: str, request: list[bytes]) -> Verdict:
        return Delay(0.7) if asked == kind else None

    async with (
        RespProxy(one_server.port, late) as proxy,
        open_store(StoreSettings(one_server.url)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
        working(store, functions, lease_ms=600) as seen,
    ):
        await Publisher(direct).send_raw(Job.event_name, b'{"no":"name"}')
        await Publisher(direct).send(Job(name="a"), id="a")
        await seen.wait(EventBuried)
        await seen.wait(RunEnded)
    assert not seen.all(LeaseLost)
    assert not seen.all(WriteRefused)


async def test_a_rest_whose_answer_is_lost_until_its_run_goes_on_is_told_as_a_rest(one_server: Server) -> None:
    functions, lost = Functions(), list[str]()
    begun_again, told = anyio.Event(), anyio.Event()

    @functions.function("test/rest", on=[event(Job)], retries=1)
    async def rest(e: Event[Job], step: Step) -> None:
        if lost:
            begun_again.set()
            await told.wait()
        await step.sleep("a while", 0.01)

    def judge(asked: str, request: list[bytes]) -> Verdict:
        if asked != "park" or begun_again.is_set():
            return None
        lost.append(asked)
        return LoseReply() if len(lost) == 1 else Refuse(NOT_NOW)

    async with (
        RespProxy(one_server.port, judge) as proxy,
        open_store(StoreSettings(one_server.url)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
        working(store, functions) as seen,
    ):
        await direct.call("SCRIPT", "LOAD", load_script("joelclaw_bus", "park").text)  # else NOSCRIPT is what is lost
        await Publisher(direct).send(Job(name="a"), id="a")
        await seen.wait(RunParked)
        told.set()
        await seen.wait(RunEnded)
    assert len(seen.all(RunParked)) == 1
    assert not seen.all(WriteRefused)


async def test_a_rest_that_nobody_can_tell_any_more_is_not_told_as_surely_refused(one_server: Server) -> None:
    """Its answer is lost, and before it can be asked again the run has ended elsewhere."""
    functions, lost, ended = Functions(), list[str](), anyio.Event()

    @functions.function("test/rest", on=[event(Job)], retries=1)
    async def rest(e: Event[Job], step: Step) -> None:
        await step.sleep("a while", 0.01)

    def judge(asked: str, request: list[bytes]) -> Verdict:
        if asked != "park" or ended.is_set():
            return None
        lost.append(asked)
        return LoseReply() if len(lost) == 1 else Refuse(NOT_NOW)

    async with (
        RespProxy(one_server.port, judge) as proxy,
        open_store(StoreSettings(one_server.url)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
        working(store, functions) as seen,
    ):
        await direct.call("SCRIPT", "LOAD", load_script("joelclaw_bus", "park").text)  # else NOSCRIPT is what is lost
        await Publisher(direct).send(Job(name="a"), id="a")
        await seen.wait(RunEnded)
        ended.set()
        [refused] = await seen.wait(WriteRefused)
    assert refused.operation == "park"
    assert "what it wrote may stand" in refused.reason


@pytest.mark.parametrize("kind", ["bury", "finish"])
async def test_a_lost_answer_that_a_renewal_overtakes_costs_no_evidence(one_server: Server, kind: str) -> None:
    """The deed let go of the entry, so the renewal finds it gone; then the next try tells what became of it."""
    functions = Functions()
    lost, renewals, refusals = list[str](), 0, 0

    @functions.function("test/work", on=[event(Job)], retries=1)
    async def work(e: Event[Job], step: Step) -> None:
        return None

    def judge(asked: str, request: list[bytes]) -> Verdict:
        nonlocal renewals, refusals
        renewals += asked == "renew" and bool(lost)
        if asked != kind or refusals > 3:
            return None
        if not lost:
            lost.append(asked)
            return LoseReply()
        refusals += renewals > 0
        return Refuse("LOADING Redis is loading the dataset in memory")

    async with (
        RespProxy(one_server.port, judge) as proxy,
        open_store(StoreSettings(one_server.url)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
        working(store, functions, lease_ms=3_000) as seen,
    ):
        await Publisher(direct).send_raw(Job.event_name, b'{"no":"name"}')
        await Publisher(direct).send(Job(name="a"), id="a")
        await seen.wait(RunEnded)
        await seen.wait(EventBuried)
    assert lost
    assert [f.status for f in seen.all(RunEnded)] == ["completed"]
    assert [f.first for f in seen.all(EventBuried)] == [True]
    assert not seen.all(LeaseLost)
    assert not seen.all(WriteRefused)
