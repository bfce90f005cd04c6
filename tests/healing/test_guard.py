"""The guard on a real server: an act is decided once, by one, within budgets, and told once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from joelclaw_healing import (
    Answer,
    Guard,
    GuardLimits,
    Ledger,
    Outcome,
    PauseReason,
    Rule,
    Seen,
    Symptom,
    Target,
    Voice,
)
from joelclaw_healing.guard_memory import Memory
from joelclaw_healing.guard_policy import Ruling, intended

ONE = GuardLimits(confirmations=1, cool_down_ms=0, hold_ms=0, stability_ms=0, passes=1)
TARGET = Target("inngest-runtime", "worker")
FAILING = Symptom(Seen.FAILING, "connection refused", "p1")
OK = Symptom(Seen.OK, "200", "p1")


def guard(ledger: Ledger, me: str = "a", **changes: Any) -> Guard:
    return Guard(ledger, Voice("tests"), me, replace(ONE, **changes))


async def told(ledger: Ledger, event: str) -> list[dict[str, Any]]:
    flat = await ledger.store.call("HGETALL", ledger.slot.outbox_items)
    rows = [json.loads(flat[i]) for i in range(1, len(flat), 2)]
    return [json.loads(row["data"]) for row in rows if row["target"] == event]


async def rules(ledger: Ledger) -> list[str]:
    return sorted(record["metadata"]["rule"] for record in await told(ledger, "otel/event"))


async def act(g: Guard, id: str, outcome: Outcome) -> Answer:
    """A whole act, from look to outcome."""
    answer = await g.judge(f"{id}:judge", TARGET, FAILING)
    assert answer.intent, answer
    entered = await g.enter(f"{id}:enter", TARGET, answer.intent, FAILING, found_done=False)
    assert entered.rule is Rule.ENTERED
    return await g.settle(f"{id}:outcome", TARGET, answer.intent, outcome, "as seen")


async def test_an_act_is_intended_entered_and_settled_and_each_is_told_once(ledger: Ledger) -> None:
    g = guard(ledger)
    assert (await act(g, "r1", Outcome.FIXED)).rule is Rule.FIXED
    assert await rules(ledger) == ["act-entered", "act-fixed", "act-permitted"]
    assert [line["rule"] for line in await g.audit(TARGET)] == ["act-permitted", "act-entered", "act-fixed"]
    assert (await g.history(TARGET)).record.intent is None


async def test_asked_again_it_answers_the_same_and_tells_nothing_again(ledger: Ledger) -> None:
    g = guard(ledger)
    first = await g.judge("r1", TARGET, FAILING)
    assert await g.judge("r1", TARGET, OK) == first
    assert first.rule is Rule.PERMITTED
    assert len((await g.history(TARGET)).acts) == 1
    assert await rules(ledger) == ["act-permitted"]


async def test_confirmations_outlive_the_process(ledger: Ledger) -> None:
    found = [await guard(ledger, f"p{n}", confirmations=3).judge(f"r{n}", TARGET, FAILING) for n in range(3)]
    assert [answer.rule for answer in found] == [Rule.UNCONFIRMED, Rule.UNCONFIRMED, Rule.PERMITTED]


async def test_of_many_that_judge_at_once_one_may_act(ledger: Ledger) -> None:
    answers: list[Answer] = []

    async def judge(n: int) -> None:
        answers.append(await guard(ledger, f"p{n}").judge(f"r{n}", TARGET, FAILING))

    async with anyio.create_task_group() as group:
        for n in range(12):
            group.start_soon(judge, n)
    assert sorted(str(a.rule) for a in answers) == ["act-permitted"] + ["one-act-at-a-time"] * 11


async def test_racers_never_spend_more_than_the_hour_has(ledger: Ledger) -> None:
    acted: list[str] = []

    async def keep_at_it(n: int) -> None:
        g = guard(ledger, f"p{n}")
        for k in range(6):
            answer = await g.judge(f"r{n}-{k}", TARGET, FAILING)
            if answer.rule is Rule.PERMITTED and answer.intent:
                acted.append(answer.intent.id)
                await g.settle(f"o{n}-{k}", TARGET, answer.intent, Outcome.FIXED, "")

    async with anyio.create_task_group() as group:
        for n in range(6):
            group.start_soon(keep_at_it, n)
    assert len(acted) == len(set(acted)) == 3
    assert len((await guard(ledger).history(TARGET)).acts) == 3


async def test_a_full_hour_is_exhausted_and_names_the_rule_and_pages_once(ledger: Ledger) -> None:
    g = guard(ledger)
    for n in range(3):
        await act(g, f"r{n}", Outcome.FIXED)
    for n in range(3):
        assert (await g.judge(f"late{n}", TARGET, replace(FAILING, forced_by="joel"))).rule is Rule.HOUR_SPENT
    assert len(await told(ledger, "gateway/send.message")) == 1


async def test_a_full_day_is_exhausted_too(ledger: Ledger) -> None:
    g = guard(ledger, per_hour=9)
    for n in range(7):
        await act(g, f"r{n}", Outcome.FIXED)
    assert (await g.judge("late", TARGET, FAILING)).rule is Rule.DAY_SPENT


async def test_a_group_is_not_acted_on_all_at_once(ledger: Ledger) -> None:
    g = guard(ledger)
    targets = [Target("hosts", f"h{n}", group="rack") for n in range(7)]
    for n, target in enumerate(targets):
        await g.judge(f"seen{n}", target, OK)
    answers: list[Rule] = []

    async def judge(n: int, target: Target) -> None:
        answers.append((await g.judge(f"r{n}", target, FAILING)).rule)

    async with anyio.create_task_group() as group:
        for n, target in enumerate(targets):
            group.start_soon(judge, n, target)
    assert sorted(map(str, answers)) == ["act-permitted"] * 2 + ["group-share-spent"] * 5


async def test_the_kill_switch_stops_acts_and_those_decided_but_not_begun(ledger: Ledger) -> None:
    g = guard(ledger)
    answer = await g.judge("r1", TARGET, FAILING)
    assert answer.intent
    await ledger.stop(actor="joel", reason="moving")
    entered = await g.enter("e1", TARGET, answer.intent, FAILING, found_done=False)
    assert (entered.rule, entered.rule.goes_on) == (Rule.KILL_SWITCH, False)
    assert "moving" in (await g.judge("r2", TARGET, replace(FAILING, forced_by="joel"))).why
    assert (await g.history(TARGET)).record.intent is None


async def test_a_pause_reason_stops_new_acts_and_lets_the_running_one_finish(ledger: Ledger) -> None:
    g = guard(ledger)
    answer = await g.judge("r1", TARGET, FAILING)
    assert answer.intent
    now = await ledger.store.time_ms()
    await ledger.pause(PauseReason("p1", "domain:inngest-runtime", "joel", "moving", now, now + 60_000))
    assert (await g.enter("e1", TARGET, answer.intent, FAILING, found_done=False)).rule is Rule.ENTERED
    await g.settle("s1", TARGET, answer.intent, Outcome.UNVERIFIED, "as seen")
    paused = await g.judge("r2", TARGET, FAILING)
    assert (paused.rule, "moving" in paused.why) == (Rule.PAUSED, True)
    assert (await g.judge("r3", TARGET, replace(FAILING, forced_by="joel"))).rule is Rule.FORCED


async def test_all_targets_together_have_an_hour_s_budget(ledger: Ledger) -> None:
    g = guard(ledger, all_per_hour=2)
    answers = [await g.judge(f"r{n}", Target("hosts", f"h{n}"), FAILING) for n in range(3)]
    assert [a.rule for a in answers] == [Rule.PERMITTED, Rule.PERMITTED, Rule.ALL_SPENT]
    assert (await g.judge("f", Target("hosts", "h9"), replace(FAILING, forced_by="joel"))).rule is Rule.ALL_SPENT


@pytest.mark.parametrize("what", ["switch", "pause", "hour", "group", "all"])
async def test_what_happens_between_look_and_move_is_seen_by_the_move_itself(ledger: Ledger, what: str) -> None:
    """Without it, a store that is quick enough would let a fourth act through, or one past the switch."""
    limits = replace(ONE, per_hour=0 if what == "hour" else 3, all_per_hour=0 if what == "all" else 9)
    memory = Memory(ledger, Voice("tests"), limits, ())
    target = Target("hosts", "h1", group="rack")
    sight = await memory.look(target, "m1")
    if what == "switch":
        await ledger.stop(actor="joel", reason="moving")
    if what == "pause":
        await ledger.pause(PauseReason("p1", "group:rack", "joel", "moving", sight.now, sight.now + 60_000))
    if what == "group":
        other = await guard(ledger).judge("r1", Target("hosts", "h2", group="rack"), FAILING)
        assert other.rule is Rule.PERMITTED
    record = intended(sight.history.record, "m1", "a", FAILING, "", sight.now, limits)
    assert await memory.make("m1", target, sight, Ruling(Rule.PERMITTED, ""), record, {}) is None
    assert (await memory.look(target, "m1")).history.record.intent is None


async def test_the_cool_down_runs_from_before_the_act_and_a_held_recovery_ends_it_early(ledger: Ledger) -> None:
    g = guard(ledger, cool_down_ms=60_000)
    answer = await g.judge("r1", TARGET, FAILING)
    assert answer.intent
    await g.settle("o1", TARGET, answer.intent, Outcome.UNVERIFIED, "died")
    assert (await g.judge("r2", TARGET, FAILING)).rule is Rule.COOL_DOWN
    assert (await g.judge("r3", TARGET, OK)).rule is Rule.HEALTHY  # one pass holds, with these limits
    assert (await g.judge("r4", TARGET, FAILING)).rule is Rule.PERMITTED


async def test_what_was_not_done_counts_as_neither_good_nor_bad(ledger: Ledger) -> None:
    g = guard(ledger)
    assert (await act(g, "r1", Outcome.SKIPPED)).rule is Rule.SKIPPED
    assert (await g.history(TARGET)).record.outcomes == ()


async def test_an_act_that_was_not_begun_leaves_no_cool_down_behind(ledger: Ledger) -> None:
    g = guard(ledger, cool_down_ms=60_000)
    answer = await g.judge("r1", TARGET, FAILING)
    assert answer.intent
    assert (await g.enter("e1", TARGET, answer.intent, OK, found_done=False)).rule is Rule.ANNULLED
    assert (await g.judge("r2", TARGET, FAILING)).rule is Rule.PERMITTED


async def test_all_that_the_guard_keeps_expires(ledger: Ledger) -> None:
    g = guard(ledger)
    await act(g, "r1", Outcome.FAILED)
    await g.judge("r2", Target("hosts", "h1", group="rack"), FAILING)
    keys = {key.decode() for key in await ledger.store.call("KEYS", "{healing/incidents}:*")}
    kept = {key for key in keys if not key.partition("}:")[2].startswith("outbox")}
    assert {key.partition("}:")[2].split(":")[0] for key in kept} == {"guard", "group", "done", "budget"}
    assert [key for key in kept if await ledger.store.call("PTTL", key) < 0] == []


async def test_an_act_that_failed_is_held(ledger: Ledger) -> None:
    g = guard(ledger, hold_ms=60_000)
    await act(g, "r1", Outcome.FAILED)
    assert (await g.judge("r2", TARGET, FAILING)).rule is Rule.HOLD
    assert (await g.judge("r3", TARGET, replace(FAILING, forced_by="joel"))).rule is Rule.FORCED


async def test_an_action_that_mostly_fails_turns_itself_off_says_so_and_a_forced_good_one_turns_it_on(
    ledger: Ledger,
) -> None:
    g = guard(ledger, per_hour=9)
    for n in range(4):
        await act(g, f"r{n}", Outcome.FAILED)
    assert (await g.judge("r5", TARGET, FAILING)).rule is Rule.ACTION_OFF
    assert any("action-off" in m["text"] for m in await told(ledger, "gateway/send.message"))
    forced = await g.judge("r6", TARGET, replace(FAILING, forced_by="joel"))
    assert forced.intent
    await g.settle("o6", TARGET, forced.intent, Outcome.FIXED, "")
    assert (await g.judge("r7", TARGET, FAILING)).rule is Rule.PERMITTED
    assert any("Resolved" in m["text"] for m in await told(ledger, "gateway/send.message"))


async def test_after_a_death_before_the_act_it_is_looked_at_again(ledger: Ledger) -> None:
    answer = await guard(ledger, "dead").judge("r1", TARGET, FAILING)
    assert answer.intent
    heir = guard(ledger, "heir")
    assert (await heir.enter("e1", TARGET, answer.intent, OK, found_done=False)).rule is Rule.ANNULLED
    again = await guard(ledger, "dead").judge("r2", TARGET, FAILING)
    assert again.intent
    assert (await heir.enter("e2", TARGET, again.intent, FAILING, found_done=False)).rule is Rule.RESUMED


@pytest.mark.parametrize(("found", "rule"), [(True, Rule.FOUND_DONE), (False, Rule.INTERRUPTED)])
async def test_after_a_death_within_the_act_it_is_never_begun_again(ledger: Ledger, found: bool, rule: Rule) -> None:
    dead, heir = guard(ledger, "dead", cool_down_ms=60_000), guard(ledger, "heir", cool_down_ms=60_000)
    answer = await dead.judge("r1", TARGET, FAILING)
    assert answer.intent
    await dead.enter("e1", TARGET, answer.intent, FAILING, found_done=False)
    taken = await heir.enter("e2", TARGET, answer.intent, FAILING, found_done=found)
    assert taken.rule is rule
    if not found:
        assert (await heir.history(TARGET)).record.outcomes == ("unverified",)
        assert (await heir.judge("r2", TARGET, FAILING)).rule is Rule.COOL_DOWN


async def test_an_intent_whose_lease_ran_out_is_settled_as_unverified_before_anything_else(ledger: Ledger) -> None:
    g = guard(ledger, lease_ms=0)
    lost = await g.judge("r1", TARGET, FAILING)
    assert lost.intent
    assert (await g.judge("r2", TARGET, FAILING)).rule is Rule.INTERRUPTED
    assert (await g.settle("o1", TARGET, lost.intent, Outcome.FIXED, "late")).rule is Rule.UNVERIFIED
    assert (await g.judge("r3", TARGET, FAILING)).rule is Rule.PERMITTED


async def test_a_rehearsal_rules_by_the_same_code_and_writes_nothing(ledger: Ledger) -> None:
    g = guard(ledger, confirmations=3)
    await g.judge("r1", TARGET, FAILING)
    before = await ledger.store.call("DBSIZE"), (await g.history(TARGET)).record
    assert (await g.rehearse(TARGET, [FAILING])).rule is Rule.UNCONFIRMED
    assert (await g.rehearse(TARGET, [FAILING, FAILING])).rule is Rule.PERMITTED
    assert (await ledger.store.call("DBSIZE"), (await g.history(TARGET)).record) == before
