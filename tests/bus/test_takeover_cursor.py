"""The recovery loop: one look finds all that was lost in a group, however much lies before it."""

from __future__ import annotations

import pytest

from joelclaw_bus import Limits, SlotCalls, Store
from joelclaw_bus.observer import TakenOver
from joelclaw_bus.takeover import PAGE
from tests.support.looks import LEASE_MS, Hands, pending, taking_over
from tests.support.seen import Seen


@pytest.fixture
async def grouped(store: Store) -> Store:
    await SlotCalls(store, Limits()).ensure_group(store.keys.slot("test/asked"), "test/ask")
    return store


async def test_one_look_goes_past_any_number_of_entries_whose_owners_are_alive(grouped: Store) -> None:
    """A page looks at ten times as many entries as it may bring: what lies behind is found by the cursor alone."""
    await pending(grouped, "busy", 10 * PAGE + 1, idle_ms=0)
    lost = await pending(grouped, "dead", 3, idle_ms=LEASE_MS + 1)
    hands, seen = Hands(), Seen()
    assert await taking_over(grouped, hands, seen).step() == 3
    assert hands.taken == lost
    assert [(f.entries, f.lost) for f in seen.all(TakenOver)] == [(3, ())]


async def test_who_hands_entries_back_gives_only_those_and_only_what_is_still_its_own(grouped: Store) -> None:
    other = await pending(grouped, "other", 1, idle_ms=0)
    mine = await pending(grouped, "me", 2, idle_ms=0)
    calls, stream = SlotCalls(grouped, Limits()), grouped.keys.slot("test/asked").stream
    assert await calls.hand_back(stream, "test/ask", "me", LEASE_MS, [*other, mine[0]]) == 1
    rows = await grouped.call("XPENDING", stream, "test/ask", "IDLE", LEASE_MS, "-", "+", 10)
    assert [(row[0].decode(), row[1]) for row in rows] == [(mine[0], b"me")]
