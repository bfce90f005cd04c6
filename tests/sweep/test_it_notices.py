"""The sweep can fail: a script that lost one of its safeguards is found out by it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product

import pytest

from joelclaw_bus.script import Script, load_script
from tests.sweep.faults import Fault, How
from tests.sweep.play import Play, Stage
from tests.sweep.plays import AT_ONCE, play_all, trace_of
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios import chores, failing, limited, lost, runs, timed, waiting

PARKED = """\
  if rec[3] == ARGV[4] and rec[4] then return { 1, tonumber(rec[4]), now } end
  if rec[3] == ARGV[4] and rec[1] ~= 'ended' then return { 3, now } end
"""
"""Either of these alone knows a rest whose answer was lost."""
MUTANTS = [
    (runs.ThreeSteps, "finish", "if rec[1] == 'ended' and rec[3] == claim then return { 1, now } end", ""),
    (runs.ThreeSteps, "step", "if rec[3] then return { 1, rec[3], now } end", ""),
    (runs.Asleep, "park", PARKED, ""),
    (runs.Asleep, "promote", "redis.call('HSET', key, 'state', 'queued', 'at', 'r' .. entry)", ""),
    (runs.Sending, "publish", "if seen then return { seen, 1 } end", ""),
    (runs.Sending, "step", "if item_id ~= '' then outbox_put(", "if false then outbox_put("),
    (runs.HandedBack, "hand_back", "'IDLE', ARGV[3]", "'IDLE', 0"),
    (failing.FailedForGood, "finish", "redis.call('XADD', KEYS[7]", "redis.call('XADD', KEYS[7] .. 's'"),
    (failing.Unreadable, "bury", "if first then", "if true then"),
    (failing.Poison, "begin", "begins > most and 3 or 1", "1"),
    (timed.Ticks, "tick", "nominal <= mark", "false"),
    (timed.Delayed, "outbox_take", "redis.call('HGET', KEYS[2], id)", "false"),
    (limited.Concurrency, "release", "if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then", "if true then"),
    (limited.Exclusive, "acquire", "redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2])", "true"),
    (waiting.CancelledBeforeTheNext, "release", "if till and ARGV[7] ~= claim and", "if false and"),
    (lost.TakenOver, "begin", "redis.call('HGETALL', run)", "{}"),
    (lost.LeftToANewerBuild, "hand_back", "'IDLE', ARGV[3]", "'IDLE', 0"),
    (lost.Duplicates, "begin", "elseif seen ~= entry then", "elseif false then"),
    (lost.GroupLost, "ensure_group", "local start = mark", "local start = '$'"),
    (chores.PutBack, "mend", "due_put(KEYS[4], ARGV[12], ARGV[13], 'r:' .. run, at)", ""),
]


@pytest.mark.parametrize(("kind", "script", "old", "new"), MUTANTS, ids=[f"{k.__name__}-{s}" for k, s, *_ in MUTANTS])
async def test_a_script_without_one_of_its_safeguards_is_found_out(
    stage: Stage, kind: type[Scenario], script: str, old: str, new: str
) -> None:
    sound = load_script("joelclaw_bus", script)
    assert old in sound.text
    text = sound.text.replace(old, new)
    mutant = Script(script, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    trace = await trace_of(stage, kind)
    broken = replace(stage, mutant=mutant)
    faults = [None, *(Fault(point, how) for point, how in product(trace, How))]
    for some in batched(faults, AT_ONCE):
        plays = [Play(broken, kind, fault) for fault in some]
        await play_all(plays)
        if any(play.complaints for play in plays):
            break
    assert any(play.complaints for play in plays)


def batched(faults: list[Fault | None], n: int) -> list[list[Fault | None]]:
    return [faults[i : i + n] for i in range(0, len(faults), n)]
