"""So many starts in a period, whoever asks: what is over it waits for its turn, in the order of arrival."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from joelclaw_bus import Event, Functions, Limits, RateLimit, RegistrationInvalid, RetryAfter, Step, event
from joelclaw_bus.inspect.explain import explain, read_situation
from joelclaw_bus.inspect.find import Found
from joelclaw_bus.slot_calls import StartCalls
from joelclaw_bus.testing import TestBus
from joelclaw_contracts import EventModel

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def bus() -> AsyncIterator[TestBus]:
    async with TestBus(Functions()) as bus:
        yield bus


@pytest.fixture
def calls(bus: TestBus) -> StartCalls:
    return StartCalls(bus.store, Limits())


class Mailed(EventModel):
    event_name: ClassVar[str] = "mail/asked"

    to: str = ""


class Mails:
    """Notes when each run started, in seconds since the first."""

    def __init__(self, rate: RateLimit, **options: Any) -> None:
        self.functions, self.started = Functions(), list[tuple[str, int]]()
        self.bus = TestBus(self.functions)
        given = {"retries": 3, "rate_limit": rate, **options}
        self.functions.function("mail/send", on=[event(Mailed)], **given)(self.send)

    async def send(self, e: Event[Mailed], step: Step) -> None:
        if not self.started or (e.id not in [name for name, _ in self.started]):
            self.started.append((e.id, round(self.bus.clock.seconds() - self.first)))

    async def asked(self, ids: Sequence[str], to: str = "") -> None:
        for name in ids:
            await self.bus.send(Mailed(to=to), id=name)

    async def begin(self) -> None:
        self.first = self.bus.clock.seconds()
        await self.bus.settle()


async def test_no_more_start_in_any_period_and_all_do_by_arrival() -> None:
    mails = Mails(RateLimit(2, 60))
    async with mails.bus as bus:
        await mails.asked(["a", "b", "c", "d", "e"])
        await mails.begin()
        first = {name for name, at in mails.started if at == 0}
        assert len(first) == len(mails.started) == 2, "side by side, as they were read"
        await bus.advance(seconds=30)
        await mails.asked(["f"])
        await bus.advance(minutes=5)
    rest = [name for name in "abcdef" if name not in first]
    assert sorted(mails.started[2:]) == list(zip(rest, [60, 60, 120, 120], strict=True))


async def test_each_key_has_a_rate_of_its_own() -> None:
    mails = Mails(RateLimit(1, 60, key=lambda e: e.data.to))
    async with mails.bus as bus:
        await mails.asked(["a1"], to="a")
        await mails.begin()
        await mails.asked(["a2"], to="a")
        await mails.asked(["b1"], to="b")
        await bus.settle()
        assert sorted(mails.started) == [("a1", 0), ("b1", 0)]
        await bus.advance(MINUTE)
        assert mails.started[2:] == [("a2", 60)]


async def test_a_run_takes_one_turn_however_often_it_rests_and_tries() -> None:
    class Resting(Mails):
        async def send(self, e: Event[Mailed], step: Step) -> None:
            await super().send(e, step)
            await step.sleep("an hour", 3_600)
            went_on.append((e.id, round(self.bus.clock.seconds() - self.first)))
            if step.attempt < 2:
                raise RetryAfter(120, "not yet")

    went_on = list[tuple[str, int]]()
    mails = Resting(RateLimit(1, 60))
    async with mails.bus as bus:
        await mails.asked(["a"])
        await mails.begin()
        await bus.advance(minutes=59, seconds=50)
        await mails.asked(["b"])
        await bus.settle()
        assert mails.started == [("a", 0), ("b", 3590)]
        await bus.advance(hours=3)
        assert [at for name, at in went_on if name == "a"] == [3600, 3720, 3840], "within b's period, and after tries"
        assert (await bus.run("mail/send", "a")).status == "completed"


async def test_a_limit_of_runs_at_work_and_a_rate_hold_together() -> None:
    class Slow(Mails):
        async def send(self, e: Event[Mailed], step: Step) -> None:
            await super().send(e, step)
            await step.sleep("half an hour", 1_800)

    mails = Slow(RateLimit(2, 60), exclusive=1)
    async with mails.bus as bus:
        await mails.asked(["a", "b", "c"])
        await mails.begin()
        await bus.advance(hours=2)
    assert sorted(name for name, _ in mails.started) == ["a", "b", "c"]
    assert [at for _, at in mails.started] == [0, 1800, 3600]


async def test_a_run_that_had_its_turn_and_waits_for_a_permit_needs_no_other_turn() -> None:
    class Slow(Mails):
        async def send(self, e: Event[Mailed], step: Step) -> None:
            await super().send(e, step)
            await step.sleep("half an hour", 1_800)

    mails = Slow(RateLimit(1, 60), exclusive=1)
    async with mails.bus as bus:
        await mails.asked(["a"])
        await mails.begin()
        await mails.asked(["b"])
        await bus.advance(seconds=1_790)
        await mails.asked(["c"])
        await bus.advance(hours=1)
    assert mails.started == [("a", 0), ("b", 1800), ("c", 3600)], "c took a turn right before b had its permit"


async def test_no_burst_follows_an_outage(calls: StartCalls, bus: TestBus) -> None:
    waiting = ["a", "b", "c", "d"]
    for n, member in enumerate(waiting):
        await calls.turn("mail/send", "", member, 1, 60_000, n)
    await bus.advance(hours=1)
    asked = [await calls.turn("mail/send", "", member, 1, 60_000, n) for n, member in enumerate(waiting)]
    assert [turn.wait_ms for turn in asked] == [0, 60_000, 120_000, 180_000]


@pytest.mark.parametrize(("period_ms", "passed_ms"), [(50, 2_000), (5_000, 10_000), (40_000, 60_000)])
async def test_who_let_its_turn_pass_keeps_nobody_waiting_for_longer_than_two_periods_or_a_minute(
    calls: StartCalls, bus: TestBus, period_ms: int, passed_ms: int
) -> None:
    async def turn(member: str) -> tuple[int, int]:
        answer = await calls.turn("mail/send", "", member, 1, period_ms, ["a", "gone", "b"].index(member))
        return answer.wait_ms, answer.before

    assert [await turn(member) for member in ("a", "gone", "b")] == [(0, 0), (period_ms, 0), (2 * period_ms, 1)]
    assert await turn("gone") == (period_ms, 0), "to ask again changes nothing"
    await bus.advance(seconds=(period_ms + passed_ms - 1) / 1000)
    assert await turn("b") == (period_ms, 1), "the one before it may yet come"
    await bus.advance(seconds=0.001)
    assert await turn("b") == (0, 0)
    assert await turn("gone") == (period_ms, 0), "it is late, and comes in its turn"


async def test_a_run_that_waits_for_its_turn_says_so() -> None:
    mails = Mails(RateLimit(1, 60))
    async with mails.bus as bus:
        await mails.asked(["a"])
        await mails.begin()
        await mails.asked(["b"])
        await bus.settle()
        slot = bus.store.keys.slot(Mailed.event_name)
        said = explain(await read_situation(bus.store, Found(slot, "mail/send:b")))
    assert said.cause == "limit"
    assert said.why.startswith("so many of mail/send have started as its rate limit allows: its turn is ")


async def test_a_key_that_fails_ends_its_run_alone() -> None:
    mails = Mails(RateLimit(1, 60, key=lambda e: {"a": "x"}[e.id]))
    async with mails.bus as bus:
        await mails.asked(["a", "b"])
        await mails.begin()
        assert (await bus.run("mail/send", "b")).error == "the key= of its rate_limit or debounce failed: KeyError: 'b'"
    assert mails.started == [("a", 0)]


def test_a_rate_that_can_not_be_one_is_refused_at_registration() -> None:
    for rate, why in ((RateLimit(0, 60), "at least 1"), (RateLimit(1, 0), "a period is 0.001 to")):
        with pytest.raises(RegistrationInvalid, match=why):
            Functions().function("mail/send", on=[event(Mailed)], retries=1, rate_limit=rate)
