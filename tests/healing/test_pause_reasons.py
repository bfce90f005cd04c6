"""Pause reasons: a list with owners and ends, held against acts by the script itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from joelclaw_healing import Act, Kind, Ledger, Made, Move, Paused, PauseReason, PauseRefused, Report, check_scope
from joelclaw_healing.lifecycle import reported, scheduled
from joelclaw_healing.pause_reasons import MOST, covering, reasons_of, scopes_of

SCOPES = scopes_of("backup", "redis", "nas")
BODY = {"id": "p1", "scope": "all", "owner": "joel", "reason": "moving", "since_ms": 1, "until_ms": 10}


def reason(scope: str = "all", *, id: str = "p1", until: int = 2**52) -> PauseReason:
    return PauseReason(id, scope, "joel", "moving", 1, until)


async def may_act(ledger: Ledger, id: str, scopes: tuple[str, ...] = SCOPES) -> object:
    """What the store answers to an act of backup/redis in the group nas."""
    look = await ledger.look("backup", "redis")
    before = reported(None, Report("r", "backup", "redis", 1), look.now)
    after = scheduled(before, Act(f"{id}:1", Kind.PAUSE, look.now + 5))
    return await ledger.make(look, Move(id, {}, {}, None, after, acts=True, scopes=scopes))


@pytest.mark.parametrize("scope", ["all", "domain:backup", "group:nas", "target:backup/redis"])
async def test_each_scope_that_covers_a_target_bars_its_acts_in_the_store(ledger: Ledger, scope: str) -> None:
    assert await ledger.pause(reason(scope))
    assert await may_act(ledger, "m1") == Paused()
    assert await ledger.resume("p1", actor="joel")
    assert isinstance(await may_act(ledger, "m1"), Made)


@pytest.mark.parametrize("scope", ["domain:backups", "group:other", "target:backup/typesense", "target:nas/redis"])
async def test_another_s_pause_bars_nothing(ledger: Ledger, scope: str) -> None:
    assert await ledger.pause(reason(scope))
    assert isinstance(await may_act(ledger, "m1"), Made)


async def test_reasons_add_up_and_each_has_its_own_end(ledger: Ledger) -> None:
    now = await ledger.store.time_ms()
    await ledger.pause(reason("domain:backup", id="a", until=now + 1))
    await ledger.pause(reason("target:backup/redis", id="b"))
    await ledger.pause(reason("all", id="c"))
    assert await ledger.resume("c", actor="ann")
    assert not await ledger.resume("c", actor="ann")
    assert await may_act(ledger, "m1") == Paused()
    assert {r.id for r in await ledger.pauses()} <= {"a", "b"}
    assert await ledger.resume("b", actor="ann")
    while await ledger.store.time_ms() <= now + 1:
        pass
    assert await ledger.pauses() == ()
    assert isinstance(await may_act(ledger, "m1"), Made)


async def test_what_can_t_be_read_pauses_everything(ledger: Ledger) -> None:
    key = ledger.slot.key("pauses")
    for text in ("{", "[]", '{"scope":"all"}', '{"scope":"all","until_ms":"never"}'):
        await ledger.store.call("HSET", key, "odd", text)
        assert await may_act(ledger, "m1") == Paused(), text
        (read,) = await ledger.pauses()
        assert (read.scope, covering([read], SCOPES)) == ("all", read)
    assert await ledger.resume("odd", actor="joel")
    assert isinstance(await may_act(ledger, "m1"), Made)


async def test_a_person_s_order_is_barred_by_no_pause_not_even_an_unreadable_one(ledger: Ledger) -> None:
    await ledger.pause(reason("all"))
    await ledger.store.call("HSET", ledger.slot.key("pauses"), "odd", "{")
    assert await may_act(ledger, "m1") == Paused()
    assert isinstance(await may_act(ledger, "m1", scopes=()), Made)


async def test_the_list_has_an_end(ledger: Ledger) -> None:
    for n in range(MOST):
        assert await ledger.pause(reason(id=f"p{n}"))
    assert not await ledger.pause(reason(id="one more"))
    assert await ledger.pause(reason(id="p0")), "the same again is no other"


def test_of_several_the_longest_is_told() -> None:
    short, long = reason("all", id="a", until=5), reason("domain:backup", id="b", until=9)
    assert covering([long, short], SCOPES) == long
    assert covering([replace(long, scope="domain:other")], SCOPES) is None


def test_what_has_ended_covers_nothing() -> None:
    assert reasons_of({"p1": json.dumps(BODY)}, 10) == ()
    assert [r.id for r in reasons_of({"p1": json.dumps(BODY)}, 9)] == ["p1"]


@pytest.mark.parametrize(
    "scope", ["", "*", "backup", "domain:", "domain:*", "target:redis", "target:backup/*", "host:a"]
)
def test_no_pattern_and_no_half_name_is_a_scope(scope: str) -> None:
    with pytest.raises(PauseRefused, match="domain:NAME"):
        check_scope(scope)
