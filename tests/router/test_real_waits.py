"""The router with the waits of production, hours of them, on a bus whose clock the test moves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from joelclaw_bus import Functions, Keys, Store
from joelclaw_bus.testing import TestBus
from joelclaw_contracts import BackupFailureDetected, BackupRetryRequested, Config, HealingCompleted, SendMessage
from joelclaw_healing import Ledger, Voice
from joelclaw_router.desk import Desk
from joelclaw_router.functions import functions_of
from joelclaw_router.judgement import Bench
from joelclaw_router.request import BACKUP_ROUTER
from joelclaw_router.rulebook import Rulebook
from tests.router.conftest import BACKUP


def functions(store: Store) -> Functions:
    return functions_of(Desk(Ledger(store), Bench(Rulebook(Config()), Voice("router", "test", "s1")), lambda: 0.0))


INCIDENTS = Keys().slot("healing/incidents")
MINUTES = [5, 10, 20, 40, 80]
"""What the configuration's defaults make of a backup that goes on failing, before a person is called."""


async def failed(bus: TestBus) -> str:
    """A backup failed; the entry that says so."""
    entry = await bus.send(BackupFailureDetected.from_wire(BACKUP))
    await bus.settle()
    return entry


async def test_a_backup_that_goes_on_failing_is_retried_at_growing_distances_then_a_person_is_called() -> None:
    async with TestBus(functions, also=(INCIDENTS,)) as bus:
        waits = []
        for attempt in range(1, 6):
            entry = await failed(bus)
            due = (await bus.run(BACKUP_ROUTER, entry)).due
            assert due is not None
            waits.append(due - bus.now)
            assert not await bus.sent(SendMessage)
            await bus.advance_to(due + timedelta(seconds=2))  # its letters have a second's head start
            assert [r.attempt for r in await bus.sent(BackupRetryRequested)] == list(range(1, attempt + 1))
        await failed(bus)
        await bus.advance(seconds=2)
        assert len(await bus.sent(SendMessage)) == 1
        assert len(await bus.sent(BackupRetryRequested)) == 5
    assert waits == [timedelta(minutes=m) for m in MINUTES]


@pytest.mark.parametrize("step", ["decide", "look-0"])
@pytest.mark.parametrize("recorded", [True, False])
async def test_a_router_that_dies_while_it_decides_decides_once(step: str, recorded: bool) -> None:
    async with TestBus(functions, also=(INCIDENTS,)) as bus:
        (bus.crash_after_step if recorded else bus.crash_before_record)(step)
        await failed(bus)
        await bus.advance(hours=1)
        assert bus.deaths == 1
        assert len(await bus.sent(BackupRetryRequested)) == 1
        assert len(await bus.sent(HealingCompleted)) == 1
