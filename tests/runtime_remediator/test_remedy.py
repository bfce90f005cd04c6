"""A real runtime, killed, stopped, slow, hanging: restarted once and still watched, or left alone."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import anyio
import pytest

from joelclaw_bus import Publisher
from joelclaw_contracts import Config, HealingRequested, RuntimeHealthRequested
from joelclaw_healing import Ledger
from joelclaw_runtime_remediator.process import stat_of
from tests.runtime_remediator.conftest import Remediators, Runtime_, hoped

LOOK = RuntimeHealthRequested(source_function="tests")


def request(**changes: Any) -> HealingRequested:
    wire = {
        "sourceFunction": "tests/prober",
        "targetComponent": "worker",
        "problemSummary": "it does not answer",
        "attempt": 0,
        "retryPolicy": {},
        "evidence": [],
        "playbook": {"restart": ["worker"]},
        "domain": "inngest-runtime",
    }
    return HealingRequested.from_wire({**wire, **changes})


async def test_a_healthy_runtime_is_left_alone(remediators: Remediators, runtime: Runtime_) -> None:
    pid = runtime.start()
    async with remediators.working(runtime.config()):
        await remediators.send(request(context={"a": 1}, owner="ops"), "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["rule"], answer["detected"], answer["inspected"]) == ("noop", "healthy", 0, 1)
    assert (answer["context"], answer["owner"], answer["domain"]) == ({"a": 1}, "ops", "inngest-runtime")
    assert (runtime.pid, runtime.starts) == (pid, 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_killed_or_stopped_it_is_restarted_once_and_still_watched(
    remediators: Remediators, runtime: Runtime_, how: signal.Signals
) -> None:
    first = runtime.start()
    async with remediators.working(runtime.config()):
        os.kill(first, how)
        await remediators.send(request(), "e1")
        answer = await remediators.answer("e1")
        assert (answer["status"], answer["rule"]) == ("remediated", "act-fixed")
        assert (runtime.starts, runtime.answers()) == (2, True)
        assert await remediators.rules() == [
            "not-confirmed",
            "not-confirmed",
            "act-permitted",
            "act-entered",
            "act-fixed",
        ]
        # An unrelated next outage is acted on at once: the recovery held, so the cool-down is over.
        second = runtime.pid
        os.kill(second, signal.SIGKILL)
        hoped(lambda: (stat := stat_of(second)) is None or stat.letter in "ZX", "the kernel has ended it")
        await remediators.send(request(), "e2")
        again = await remediators.answer("e2")
        assert (again["status"], again["rule"]) == ("remediated", "act-fixed"), json.dumps(again)
        assert runtime.starts == 3
    evidence = [e for e in await remediators.events("otel/event") if e["action"].endswith("inngest-runtime.health")]
    assert [e["metadata"]["phase"] for e in evidence] == ["before", "after"] * 2
    assert stat_of(first) is None


async def test_slow_to_start_it_is_restarted_exactly_once(remediators: Remediators, runtime: Runtime_) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    async with remediators.working(runtime.config(slow=1.5)):
        await remediators.send(LOOK, "e1")
        assert (await remediators.answer("e1"))["status"] == "remediated"
        await remediators.send(LOOK, "e2")
        assert (await remediators.answer("e2"))["status"] == "noop"
    assert runtime.starts == 2


async def test_while_it_starts_it_is_not_restarted(remediators: Remediators, runtime: Runtime_) -> None:
    runtime.supervisor(slow=60).restart(1)
    async with remediators.working(runtime.config(slow=60)):
        await remediators.send(LOOK, "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["rule"]) == ("blocked", "start-grace")
    hoped(lambda: runtime.starts == 1, "it notes its start")  # an interpreter takes its time


async def test_a_probe_that_times_out_restarts_nothing(remediators: Remediators, runtime: Runtime_) -> None:
    pid = runtime.start()
    runtime.behave("hang")
    async with remediators.working(runtime.config(confirmations=1)):
        for n in range(3):
            await remediators.send(LOOK, f"e{n}")
            answer = await remediators.answer(f"e{n}")
            assert (answer["status"], answer["rule"]) == ("blocked", "unknown-never-acts")
    assert (runtime.pid, runtime.starts, runtime.noted("term")) == (pid, 1, [])


async def test_a_wrong_answer_of_our_own_process_is_failing(remediators: Remediators, runtime: Runtime_) -> None:
    pid = runtime.start()
    runtime.behave("wrong")
    async with remediators.working(runtime.config(stability_ms=50)):
        await remediators.send(LOOK, "e1")
        with anyio.fail_after(20):
            while not runtime.noted("term"):  # noqa: ASYNC110  another process notes it
                await anyio.sleep(0.02)
        runtime.behave("ok")
        assert (await remediators.answer("e1"))["status"] in ("remediated", "detected")
    assert runtime.noted("term") == [pid]
    assert runtime.starts == 2


async def test_a_dry_run_sends_no_signal_and_writes_nothing_outside_its_own_record(
    remediators: Remediators, runtime: Runtime_
) -> None:
    pid = runtime.start()
    os.kill(pid, signal.SIGSTOP)
    state = runtime.state_file.read_text()
    async with remediators.working(runtime.config()):
        await remediators.send(request(dryRun=True), "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["rule"], answer["dryRun"]) == ("detected", "act-permitted", True)
    assert (runtime.pid, runtime.starts, runtime.state_file.read_text()) == (pid, 1, state)
    assert (await remediators.events("otel/event")) == []
    written = await remediators.store.call("KEYS", "{healing/incidents}:*")
    assert set(written) <= {b"{healing/incidents}:auditor"}, "who audits the slot is the bus's own"
    os.kill(pid, signal.SIGCONT)
    assert runtime.noted("term") == []


async def test_two_remediators_at_once_restart_once(remediators: Remediators, runtime: Runtime_) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    async with remediators.working(runtime.config(), count=2):
        for n in range(4):
            await remediators.send(LOOK, f"e{n}")
        answers = [(await remediators.answer(f"e{n}"))["status"] for n in range(4)]
    assert sorted(answers) == ["noop", "noop", "noop", "remediated"]
    assert runtime.starts == 2


async def test_the_kill_switch_stops_a_restart_and_a_forced_one(remediators: Remediators, runtime: Runtime_) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    await Ledger(remediators.store).stop(actor="joel", reason="moving")
    forced = RuntimeHealthRequested(force=True, requested_by="joel")
    async with remediators.working(runtime.config()):
        for id, event in (("e1", LOOK), ("e2", forced)):
            await remediators.send(event, id)
            answer = await remediators.answer(id)
            assert (answer["status"], answer["rule"]) == ("blocked", "kill-switch")
    assert runtime.starts == 1


async def test_a_person_may_force_a_healthy_one_but_not_past_the_budget(
    remediators: Remediators, runtime: Runtime_
) -> None:
    runtime.start()
    forced = RuntimeHealthRequested(force=True, requested_by="joel", wait_ms=10)
    async with remediators.working(runtime.config(acts_per_hour=1)):
        await remediators.send(forced, "e1")
        assert (await remediators.answer("e1"))["status"] == "remediated"
        await remediators.send(forced, "e2")
        answer = await remediators.answer("e2")
    assert (answer["status"], answer["rule"], runtime.starts) == ("exhausted", "acts-per-hour-spent", 2)


async def test_a_command_that_does_not_exist_fails_before_anything_is_ended(
    remediators: Remediators, runtime: Runtime_
) -> None:
    pid = runtime.start()
    os.kill(pid, signal.SIGSTOP)
    config = runtime.config()
    broken = config.model_copy(update={"runtime": config.runtime.model_copy(update={"command": ("no-such-program",)})})
    async with remediators.working(broken):
        await remediators.send(LOOK, "e1")
        answer = await remediators.answer("e1")
        assert (answer["status"], answer["rule"]) == ("detected", "act-failed")
        assert "no-such-program" in answer["reason"]
        await remediators.send(LOOK, "e2")
        assert (await remediators.answer("e2"))["rule"] == "hold-after-failed-act"
    assert stat_of(pid)


async def test_without_a_runtime_it_is_not_configured_and_nothing_is_probed(remediators: Remediators) -> None:
    async with remediators.working(Config(schedules=Runtime_.config(remediators.runtime).schedules)):
        await remediators.send(LOOK, "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["rule"], answer["inspected"]) == ("noop", "not-configured", 0)
    assert await remediators.events("otel/event") == []


async def test_for_all_it_acts_on_what_it_confirms_and_does_not_answer(
    remediators: Remediators, runtime: Runtime_
) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    async with remediators.working(runtime.config()):
        await remediators.send(request(domain="all"), "e1")
        await remediators.send(LOOK, "e2")  # runs after it: one at a time
        assert (await remediators.answer("e2"))["status"] in ("noop", "remediated")
    assert runtime.starts == 2
    assert {e["eventId"] for e in await remediators.events("system/self.healing.completed")} == {"e2"}


async def test_after_its_deadline_nothing_is_decided_and_a_person_hears(
    remediators: Remediators, runtime: Runtime_
) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    async with remediators.working(runtime.config()):
        await remediators.send(request(deadlineAt="2020-01-01T00:00:00Z"), "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["rule"], runtime.starts) == ("exhausted", "deadline-past", 1)
    assert len(await remediators.events("gateway/send.message")) == 1


async def test_what_does_not_validate_is_answered_invalid_once(remediators: Remediators, runtime: Runtime_) -> None:
    async with remediators.working(runtime.config()):
        broken = json.dumps({"sourceFunction": "tests", "domain": "inngest-runtime"}).encode()
        await Publisher(remediators.store).send_raw("system/self.healing.requested", broken, id="e1")
        assert (await remediators.answer("e1"))["status"] == "invalid"
