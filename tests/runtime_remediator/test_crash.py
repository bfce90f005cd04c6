"""kill -9 of the remediator around the act: what comes after is a decision, and never silently the act again."""

from __future__ import annotations

import os
import signal

import pytest

from joelclaw_contracts import RuntimeHealthRequested
from tests.runtime_remediator.conftest import Processes, Remediators, Runtime_, hoped
from tests.support.server import Server

LOOK = RuntimeHealthRequested(source_function="tests")


async def crashed(remediators: Remediators, runtime: Runtime_, server: Server, die_at: str) -> dict[str, object]:
    """The answer to a look at a killed runtime, of which the first remediator dies at `die_at`."""
    os.kill(runtime.start(), signal.SIGKILL)
    processes = Processes(server.url, runtime.config_file(), runtime.folder)
    try:
        first = processes.start(die_at)
        await remediators.send(LOOK, "e1")
        hoped(lambda: first.poll() == -signal.SIGKILL, f"it died at {die_at}; see {processes.log}")
        processes.start()
        return await remediators.answer("e1")
    finally:
        processes.stop()


@pytest.mark.slow
async def test_killed_between_intent_and_act_its_heir_looks_again_and_acts_once(
    remediators: Remediators, runtime: Runtime_, one_server: Server
) -> None:
    answer = await crashed(remediators, runtime, one_server, "intended")
    assert (answer["status"], runtime.starts) == ("remediated", 2)
    assert "act-resumed-after-crash" in await remediators.rules()


@pytest.mark.slow
async def test_killed_within_the_act_nothing_is_restarted_without_a_new_decision(
    remediators: Remediators, runtime: Runtime_, one_server: Server
) -> None:
    answer = await crashed(remediators, runtime, one_server, "entered")
    assert (answer["status"], answer["rule"], runtime.starts) == ("detected", "interrupted-act", 1)
    async with remediators.working(runtime.config()):
        await remediators.send(LOOK, "e2")
        assert (await remediators.answer("e2"))["rule"] == "cool-down"
        forced = RuntimeHealthRequested(force=True, requested_by="joel")
        await remediators.send(forced, "e3")
        assert (await remediators.answer("e3"))["status"] == "remediated"
    assert runtime.starts == 2


@pytest.mark.slow
async def test_killed_between_act_and_record_the_act_is_found_done_and_watched(
    remediators: Remediators, runtime: Runtime_, one_server: Server
) -> None:
    answer = await crashed(remediators, runtime, one_server, "acted")
    assert (answer["status"], runtime.starts) == ("remediated", 2)
    assert "act-found-done-after-crash" in await remediators.rules()


@pytest.mark.slow
async def test_two_processes_restart_once_and_the_runtime_outlives_them(
    remediators: Remediators, runtime: Runtime_, one_server: Server
) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    processes = Processes(one_server.url, runtime.config_file(), runtime.folder)
    try:
        pair = [processes.start(), processes.start()]
        for n in range(4):
            await remediators.send(LOOK, f"e{n}")
        answers = [(await remediators.answer(f"e{n}"))["status"] for n in range(4)]
        for process in pair:
            process.terminate()
        hoped(lambda: all(p.poll() == 0 for p in pair), f"they end well; see {processes.log}")
    finally:
        processes.stop()
    assert sorted(answers) == ["noop", "noop", "noop", "remediated"]
    assert runtime.starts == 2
    assert runtime.answers()
