"""No restart while it works: runs in the hands of its own processes, under a lease, and never the caller's."""

from __future__ import annotations

import socket

import pytest

from joelclaw_bus import Store
from joelclaw_bus.run_names import consumer_name, parts_of_consumer
from joelclaw_contracts import RuntimeHealthRequested
from joelclaw_runtime_remediator.functions import RUNTIME
from joelclaw_runtime_remediator.probe import Prober
from tests.runtime_remediator.conftest import Remediators, Runtime_

HERE = socket.gethostname()


async def in_hand(store: Store, function: str, pid: int, host: str = HERE) -> None:
    """An entry of a stream in the hands of that process."""
    slot = store.keys.slot("test/job")
    await store.call("HSET", store.keys.slots, slot.name, 1)
    await store.call("XADD", slot.stream, "*", "data", "{}")
    await store.call("XGROUP", "CREATE", slot.stream, function, "0")
    await store.call(
        "XREADGROUP", "GROUP", function, consumer_name(host, pid, "ab"), "COUNT", 1, "STREAMS", slot.stream, ">"
    )


def prober(store: Store, runtime: Runtime_, lease_ms: int = 60_000) -> Prober:
    return Prober(store, runtime.supervisor(), runtime.url, 2.0, lease_ms, RUNTIME)


async def test_runs_of_its_own_processes_count_and_hold_a_restart_back(
    remediators: Remediators, runtime: Runtime_
) -> None:
    pid = runtime.start()
    await in_hand(remediators.store, "test/work", pid)
    assert (await prober(remediators.store, runtime).look()).active_runs == 1
    forced = RuntimeHealthRequested(force=True, requested_by="joel")
    async with remediators.working(runtime.config()):
        await remediators.send(forced, "e1")
        answer = await remediators.answer("e1")
    assert (answer["status"], answer["rule"], runtime.pid) == ("blocked", "runs-active", pid)


@pytest.mark.parametrize("whose", ["caller", "other process", "other host", "ghost"])
async def test_neither_the_callers_nor_others_nor_ghosts_count(store: Store, runtime: Runtime_, whose: str) -> None:
    pid = runtime.start()
    await in_hand(
        store,
        RUNTIME if whose == "caller" else "test/work",
        1 if whose == "other process" else pid,
        "elsewhere" if whose == "other host" else HERE,
    )
    lease_ms = 0 if whose == "ghost" else 60_000
    assert (await prober(store, runtime, lease_ms).look()).active_runs == 0


@pytest.mark.parametrize(
    ("consumer", "parts"),
    [("my-host-12-abcd", ("my-host", 12)), ("host-1-a", ("host", 1)), ("x", ("", 0)), ("a-b-c", ("", 0))],
)
def test_a_workers_name_says_whose_hands_these_are(consumer: str, parts: tuple[str, int]) -> None:
    assert parts_of_consumer(consumer) == parts
