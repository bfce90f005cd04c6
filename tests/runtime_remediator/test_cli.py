"""`joelclaw inngest`: how the runtime is, and a restart that goes through the same guard."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from anyio import to_thread

from joelclaw_healing import Ledger
from tests.cli.conftest import Said, call
from tests.runtime_remediator.conftest import Remediators, Runtime_
from tests.support.server import Server


@pytest.fixture
def cli(one_server: Server, runtime: Runtime_, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on this store with this runtime's configuration, in a thread beside the workers."""
    monkeypatch.setenv("REDIS_URL", one_server.url)
    monkeypatch.setenv("JOELCLAW_CONFIG", str(runtime.config_file()))
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*words: str, people: bool = False) -> Said:
        return await to_thread.run_sync(lambda: call("inngest", *words, people=people))

    return run


async def test_status_tells_of_store_workers_and_runtime(cli: Any, remediators: Remediators, runtime: Runtime_) -> None:
    said = await cli("status")
    assert (said.code, said.error) == (1, "no_worker")
    silent = said.envelope["result"]
    assert (silent["checks"]["server"]["ok"], silent["checks"]["worker"]["ok"]) == (True, False)
    assert (silent["worker"]["reachable"], silent["registeredFunctionCount"]) == (False, 0)
    pid = runtime.start()
    async with remediators.working(runtime.config()):
        await remediators.send_and_wait("e1")
        told = await cli("status")
        assert told.code == 0
        well = told.result
        assert well["checks"]["worker"]["ok"], well
        assert (well["worker"]["reachable"], well["registeredFunctionCount"]) == (True, 2)
        assert well["runtime"] == {"configured": True, "restarts": True, "answers": True, "detail": "HTTP 200"}
        os.kill(pid, signal.SIGKILL)
        ill = await cli("status")
        assert (ill.code, ill.error) == (1, "runtime_silent")
        assert ill.envelope["result"]["checks"]["worker"]["ok"] is False
        assert "restart-worker" in ill.envelope["next_actions"][0]["command"]
        assert "the runtime does not answer" in (await cli("status", people=True)).out
    gone = await cli("status", people=True)
    assert gone.code == 1
    assert "no worker lives" in gone.out


async def test_a_failing_runtime_is_restarted_and_a_healthy_one_only_by_force(
    cli: Any, remediators: Remediators, runtime: Runtime_
) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    async with remediators.working(runtime.config()):
        await remediators.send_and_wait("e1", dry_run=True)  # by now its heartbeat is there
        mended = await cli("restart-worker", "--register", "--wait-ms", "10")
        assert (mended.result["restarted"], mended.result["registeredFunctionCount"]) == (True, 2)
        left = await cli("restart-worker", people=True)
        assert left.code == 0
        assert "left alone" in left.out
        assert (await cli("restart-worker", "--force", "--wait-ms", "10")).result["restarted"]
        assert runtime.starts == 3
        await Ledger(remediators.store).stop(actor="joel", reason="moving")
        stopped = await cli("restart-worker", "--force")
        assert (stopped.code, stopped.error) == (1, "restart_blocked")
        assert "kill-switch" in stopped.err
    guarded = [e for e in await remediators.events("otel/event") if e["metadata"].get("rule") == "act-forced"]
    assert guarded[0]["metadata"]["why"].startswith(("root@", os.environ.get("USER", "root")))


async def test_without_a_remediator_it_says_so_at_once(cli: Any) -> None:
    said = await cli("restart-worker")
    assert (said.code, said.error) == (1, "no_answer")
    assert "joelclaw-runtime-remediator" in said.err
