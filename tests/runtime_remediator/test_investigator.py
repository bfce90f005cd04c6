"""Failed runs that could not reach an endpoint: found, grouped, told once, marked only after that."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from joelclaw_bus import Event, Functions, Publisher, Reject, Step, Store, event
from joelclaw_contracts import EventModel, HealingRequested
from joelclaw_healing import Ledger, Voice
from joelclaw_runtime_remediator.investigate import Investigator
from joelclaw_runtime_remediator.request import Request
from joelclaw_runtime_remediator.unreachable import UNNAMED, endpoint_of, kind_of
from tests.runtime_remediator.conftest import Remediators, Runtime_
from tests.support.waiting import until
from tests.support.workers import working

REQUEST = {
    "sourceFunction": "tests/prober",
    "targetComponent": "sdk",
    "problemSummary": "runs fail",
    "attempt": 0,
    "retryPolicy": {},
    "evidence": [],
    "playbook": {},
    "domain": "sdk-reachability",
}


class Call(EventModel):
    event_name: ClassVar[str] = "test/call"

    error: str


def request(**changes: Any) -> HealingRequested:
    return HealingRequested.from_wire({**REQUEST, **changes})


@pytest.mark.parametrize(
    ("error", "kind", "endpoint"),
    [
        ("Unable to reach SDK URL http://Worker:3111/api/inngest", "sdk-unreachable", "worker:3111"),
        ("ConnectError: [Errno 111] Connection refused: 127.0.0.1:8288", "refused", "127.0.0.1:8288"),
        ("ssh: connect to host three-body port 22: Connection refused", "refused", "three-body:22"),
        ("gaierror: Name or service not known (https://user:pw@api.example/x)", "name", "api.example"),
        ("TimeoutError: connection timed out", "time-out", UNNAMED),
        ("OSError: No route to host 10.0.0.7:443", "unreachable", "10.0.0.7:443"),
        ("ValueError: 3 is not 4", None, ""),
        ("query timed out after 30 s", None, ""),
    ],
)
def test_an_error_says_what_could_not_be_reached(error: str, kind: str | None, endpoint: str) -> None:
    assert kind_of(error) == kind
    if kind:
        assert endpoint_of(error) == endpoint
        assert "pw" not in endpoint_of(error)


async def failed_runs(store: Store, *errors: str) -> None:
    functions = Functions()

    @functions.function("test/caller", on=[event(Call)], retries=1)
    async def call(e: Event[Call], step: Step) -> None:
        raise Reject(e.data.error)

    async with working(store, functions):
        for number, error in enumerate(errors):
            await Publisher(store).send(Call(error=error), id=f"c{number}")

        async def failed() -> bool:
            return bool(await store.call("XLEN", store.keys.slot("test/call").dead) >= len(errors))

        await until(failed)


async def test_a_request_is_answered_with_what_was_detected(remediators: Remediators, runtime: Runtime_) -> None:
    refused = "Unable to reach SDK URL http://worker:3111/x"
    await failed_runs(remediators.store, refused, refused, "ValueError: no", "Connection refused 10.0.0.1:80")
    async with remediators.working(runtime.config()):
        await remediators.send(request(), "e1")
        answer = await remediators.answer("e1")
        await remediators.send(request(maxRuns=1, lookbackMinutes=5), "e2")
        few = await remediators.answer("e2")
    assert (answer["status"], answer["detected"], answer["inspected"]) == ("detected", 3, 4)
    assert set(answer["sampleRunIds"]) == {"test/caller:c0", "test/caller:c1", "test/caller:c3"}
    assert "worker:3111 (2)" in answer["reason"]
    assert few["inspected"] == 1
    told = [e for e in await remediators.events("otel/event") if e["action"] == "system.self-healing.sdk-reachability"]
    assert [(e["metadata"]["new"], e["level"]) for e in told] == [(3, "warn"), (0, "info")]


async def test_nothing_found_is_a_noop(remediators: Remediators, runtime: Runtime_) -> None:
    async with remediators.working(runtime.config()):
        await remediators.send(request(), "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["detected"], answer["rule"]) == ("noop", 0, "all-reachable")


async def test_a_dry_run_marks_and_tells_nothing(remediators: Remediators, runtime: Runtime_) -> None:
    await failed_runs(remediators.store, "Connection refused 10.0.0.1:80")
    async with remediators.working(runtime.config()):
        await remediators.send(request(dryRun=True), "e1")
        assert (await remediators.answer("e1"))["detected"] == 1
    assert await remediators.events("otel/event") == []
    assert not await remediators.store.call("EXISTS", Ledger(remediators.store).slot.key("seen", "sdk-reachability"))


async def test_what_names_the_runtime_wakes_its_remediator(remediators: Remediators, runtime: Runtime_) -> None:
    runtime.start()
    await failed_runs(remediators.store, f"Unable to reach SDK URL {runtime.url}")
    async with remediators.working(runtime.config()):
        await remediators.send(request(), "e1")
        await remediators.answer("e1")
        await until(lambda: remediators.events("system/inngest.runtime.health.requested"))
    assert runtime.starts == 1


async def test_what_was_not_marked_is_found_again_and_what_was_marked_is_not(store: Store) -> None:
    await failed_runs(store, "Connection refused 10.0.0.1:80")
    one = Investigator(store, Voice("tests"), "f")
    first = await one.scan(Request("e1"))
    assert (await one.scan(Request("e2")))["fresh"] == first["fresh"] == ["test/caller:c0"]
    assert await one.mark(first["fresh"]) == 1
    again = await one.scan(Request("e3"))
    assert (again["fresh"], again["detected"]) == ([], 1)
