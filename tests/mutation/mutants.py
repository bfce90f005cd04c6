"""What is taken away from the bus, one at a time, and the tests that must miss it.

A mutant names a file of the package, a text that stands in it exactly once, and what is put there instead. `tests`: the
files of tests/bus that must go red. `model`: whether the model (tests/model) must go red too; it can't where what is
missing is no script's (a thread, a loop) or only shows in another's clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]
    model: bool = True
    short: bool = False
    """One of those that every run of the tests checks."""


FENCING, PUBLISH, OUTBOX, PERMITS = (
    ("test_fencing.py",),
    ("test_publish.py",),
    ("test_outbox.py",),
    ("test_permits.py",),
)
CRON, TRIM, WORKER, GROUPS = ("test_cron.py",), ("test_trim.py",), ("test_worker.py",), ("test_groups.py",)
AUDIT, WAITS, CANCEL = ("test_auditor.py",), ("test_waits.py",), ("test_cancel.py",)
CLAIM = "if rec[1] and rec[2] ~= ARGV[4] then return { 0, 'claim' } end"

MUTANTS = (
    Mutant("the claim fences no step", "lua/step.lua", CLAIM, "", FENCING, short=True),
    Mutant("the claim fences no finish", "lua/finish.lua", CLAIM, "", FENCING),
    Mutant("the claim fences no rest", "lua/park.lua", CLAIM, "", FENCING),
    Mutant(
        "whoever holds the lease may write",
        "lua/lib/lease.lua",
        "if rows[1][2] ~= consumer then return false, 'lease' end",
        "",
        FENCING,
        short=True,
    ),
    Mutant("a begin leaves the old claim", "lua/begin.lua", "redis.call('HSET', KEYS[3], 'claim', claim)", "", FENCING),
    Mutant(
        "nobody renews",
        "leases.py",
        "                self.renew()\n            except",
        "                pass\n            except",
        ("test_processes.py",),
        model=False,
        short=True,
    ),
    Mutant(
        "a renewal renews nothing",
        "lua/renew.lua",
        "redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')",
        "local _ = 0",
        ("test_fencing.py", "test_processes.py"),
    ),
    Mutant(
        "a permit is not renewed",
        "lua/keep_permit.lua",
        "redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms() + tonumber(ARGV[3])), ARGV[1])",
        "",
        PERMITS,
    ),
    Mutant(
        "a permit is kept by whom it left",
        "lua/keep_permit.lua",
        "if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end",
        "",
        PERMITS,
    ),
    Mutant(
        "publish looks for no id",
        "lua/publish.lua",
        "if seen then return { seen, 1, now } end",
        "",
        PUBLISH,
        short=True,
    ),
    Mutant("publish keeps no id", "lua/publish.lua", "if id ~= '' then ids_put(", "if false then ids_put(", PUBLISH),
    Mutant(
        "publish forgets what waits after the window",
        "lua/publish.lua",
        "if redis.call('HEXISTS', KEYS[4], id) == 1 then return { 'due', 1, now } end",
        "",
        PUBLISH,
    ),
    Mutant(
        "begin looks for no id",
        "lua/begin.lua",
        "elseif seen ~= entry then",
        "elseif false then",
        ("test_publish.py", "test_worker.py"),
        short=True,
    ),
    Mutant(
        "an ended run begins again",
        "lua/begin.lua",
        "if rec[1] == 'ended' then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'ended' } end",
        "",
        ("test_groups.py", "test_publish.py", "test_worker.py"),
    ),
    Mutant(
        "an open run begins twice",
        "lua/begin.lua",
        "if rec[2] ~= at then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'open' } end",
        "",
        ("test_publish.py", "test_fencing.py"),
    ),
    Mutant("poison is never told", "lua/begin.lua", "begins > tonumber(ARGV[8]) and 3 or 1", "1", FENCING),
    Mutant(
        "begins are counted from the first",
        "lua/begin.lua",
        "if count > 1 then begins =",
        "if count > 0 then begins =",
        FENCING,
    ),
    Mutant(
        "progress counts as poison", "lua/step.lua", "redis.call('HDEL', KEYS[2], 'begins')", "local _ = 0", FENCING
    ),
    Mutant(
        "the cursor is not followed",
        "takeover.py",
        '            if cursor == "0-0":\n                if page',
        "            if True:\n                if page",
        ("test_takeover_cursor.py",),
        model=False,
        short=True,
    ),
    Mutant(
        "every worker is the claimer", "lua/takeover.lua", "if holder and holder ~= me and", "if false and", FENCING
    ),
    Mutant(
        "a late takeover takes",
        "lua/takeover.lua",
        "if math.abs(now - tonumber(ARGV[6])) > tonumber(ARGV[7]) then return { -1, now } end",
        "",
        FENCING,
    ),
    Mutant(
        "a lost answer to finish is a refusal",
        "lua/finish.lua",
        "if rec[1] == 'ended' and rec[3] == ARGV[4] then return { 1, now } end",
        "",
        FENCING,
    ),
    Mutant(
        "a lost answer to a rest is a refusal",
        "lua/park.lua",
        "if rec[3] == ARGV[4] and rec[4] then return { 1, tonumber(rec[4]), now } end",
        "",
        FENCING,
    ),
    Mutant(
        "finish acknowledges nothing",
        "lua/finish.lua",
        "ack(KEYS[1], KEYS[2], ARGV[1], ARGV[3])\nreturn",
        "return",
        ("test_fencing.py", "test_worker.py"),
    ),
    Mutant(
        "a failed run leaves no dead letter",
        "lua/finish.lua",
        "local failed = ARGV[7] == 'failed'",
        "local failed = false",
        WORKER,
    ),
    Mutant(
        "a resting run leaves its event behind", "lua/park.lua", "record_body(KEYS[3], KEYS[2], ARGV[3])", "", FENCING
    ),
    Mutant(
        "a permit that came too soon is overlooked", "lua/park.lua", "then at = now end", "then at = at end", PERMITS
    ),
    Mutant("a step's last result counts", "lua/step.lua", "if rec[3] then return { 1, rec[3], now } end", "", FENCING),
    Mutant(
        "steps have no limit",
        "lua/step.lua",
        "if tonumber(rec[4] or '0') >= tonumber(ARGV[9]) then return { 2, 'steps' } end",
        "",
        ("test_step_limits.py",),
    ),
    Mutant(
        "an entry is buried by each group",
        "lua/bury.lua",
        "'NX', 'PX'",
        "'PX'",
        ("test_worker.py", "test_two_streams.py"),
    ),
    Mutant(
        "what is early is promoted",
        "lua/promote.lua",
        "'-inf', now, 'WITHSCORES'",
        "'-inf', '+inf', 'WITHSCORES'",
        WORKER,
    ),
    Mutant(
        "a due time that was moved wakes all the same",
        "lua/promote.lua",
        " and tonumber(rec[2]) == score then",
        " then",
        ("test_fencing.py", "test_permits.py"),
    ),
    Mutant(
        "a tick comes as often as it is asked for",
        "lua/tick.lua",
        "if nominal <= mark or nominal > now_ms()",
        "if nominal > now_ms()",
        CRON,
    ),
    Mutant(
        "a tick comes early", "lua/tick.lua", "if nominal <= mark or nominal > now_ms()", "if nominal <= mark", CRON
    ),
    Mutant(
        "an old form of a schedule ticks on",
        "lua/tick.lua",
        "if had[1] ~= ARGV[2] then return { -1, tonumber(had[1] or '0') } end",
        "",
        CRON,
    ),
    Mutant(
        "the older scheduler wins",
        "lua/register_schedule.lua",
        "if whole and first <= since and now - seen <= tonumber(ARGV[6]) then",
        "if false then",
        CRON,
    ),
    Mutant("permits have no limit", "lua/acquire.lua", "< tonumber(ARGV[2])", "< 1000", PERMITS),
    Mutant(
        "an old release takes a newer permit",
        "lua/release.lua",
        "if ARGV[5] ~= '' and claim and claim ~= ARGV[5] then return { 0 } end",
        "",
        PERMITS,
    ),
    Mutant(
        "a release hands on beyond the limit",
        "lua/release.lua",
        "if ARGV[6] ~= '0' and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[6]) then return { 1 } end",
        "",
        PERMITS,
    ),
    Mutant(
        "a dead holder keeps its permit", "lua/acquire.lua", "redis.call('ZREM', KEYS[1], old)", "local _ = 0", PERMITS
    ),
    Mutant(
        "an item is put twice",
        "lua/lib/outbox.lua",
        "redis.call('HSETNX', items, id, item) == 1",
        "redis.call('HSET', items, id, item)",
        FENCING + OUTBOX,
    ),
    Mutant(
        "a delivered item stays", "lua/outbox_done.lua", "n = n + redis.call('ZREM', KEYS[1], id)", "n = n + 1", OUTBOX
    ),
    Mutant(
        "a taken item does not wait",
        "lua/outbox_take.lua",
        "redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]) * 2 ^ math.min(tries, 6), id)",
        "",
        OUTBOX,
    ),
    Mutant("pending entries are trimmed", "lua/housekeep.lua", "if g.pending > 0 then", "if false then", TRIM),
    Mutant(
        "what a group has not read is trimmed",
        "lua/housekeep.lua",
        "if id_less(id_after(through), cut) then",
        "if false then",
        TRIM,
    ),
    Mutant(
        "retention is not looked at",
        "lua/housekeep.lua",
        "local cut = string.format('%.0f-0', math.max(0, now - tonumber(ARGV[1])))",
        "local cut = string.format('%.0f-0', now + 1)",
        TRIM,
    ),
    Mutant(
        "what nothing would wake is not put back",
        "lua/mend.lua",
        "  due_put(KEYS[4], ARGV[12], ARGV[13], 'r:' .. run, at)",
        "",
        AUDIT,
    ),
    Mutant(
        "a lost ready entry is not put back", "audit/judge.py", 'return _again("entry-lost", r)', "return None", AUDIT
    ),
    Mutant(
        "a repair comes though its run has moved on",
        "lua/mend.lua",
        "for i = 1, 4 do if (rec[i] or '') ~= ARGV[3 + i] then return 0 end end",
        "",
        AUDIT,
        model=False,
    ),
    Mutant("a run that is not held is woken", "lua/wake.lua", "if state ~= 'held' then", "if false then", PERMITS),
    Mutant(
        "a wake-up leaves the fallback", "lua/wake.lua", "redis.call('ZREM', KEYS[2], 'r:' .. ARGV[1])", "", PERMITS
    ),
    Mutant(
        "a letter is replayed twice", "lua/replay.lua", "redis.call('XDEL', KEYS[2], ARGV[1])", "", ("test_replay.py",)
    ),
    Mutant(
        "a lost group begins anew",
        "lua/ensure_group.lua",
        "local start = mark\n",
        "local start = nil\n",
        GROUPS,
        model=False,
    ),
    Mutant(
        "a wait does not look back",
        "lua/await.lua",
        "if data and match_key(wait.form, data) == wait.key then",
        "if false then",
        WAITS,
    ),
    Mutant(
        "a wait is not registered",
        "lua/await.lua",
        "if ARGV[6] == '1' and tonumber(ARGV[3]) > now_ms() then",
        "if false then",
        WAITS,
    ),
    Mutant(
        "what comes late ends a wait that is over",
        "lua/arrive.lua",
        "if rec[1] ~= 'waiting' or rec[2] ~= ARGV[2] or not rec[3] then return 0 end",
        "",
        WAITS,
    ),
    Mutant("one of all is enough", "lua/arrive.lua", "if spec.all then", "if false then", WAITS),
    Mutant(
        "the others are not called off",
        "lua/lib/wait_spec.lua",
        "if i - 1 ~= won then",
        "if false then",
        (*WAITS, "test_cancel.py"),
    ),
    Mutant(
        "a match ignores what is asked for",
        "lua/lib/match.lua",
        "parts[#parts + 1] = #text .. ':' .. text",
        "parts[#parts + 1] = '0:'",
        WAITS,
    ),
    Mutant("a cancelled run stays due", "lua/cancel.lua", "redis.call('ZREM', KEYS[5], 'r:' .. ARGV[1])", "", CANCEL),
    Mutant(
        "a cancel keeps the permit", "lua/cancel.lua", "if rec[6] then outbox_put", "if false then outbox_put", CANCEL
    ),
    Mutant("a cancel leaves the entry", "lua/cancel.lua", "if rec[3] and rec[3] ~= '' then", "if false then", CANCEL),
    Mutant(
        "an ended run is cancelled", "lua/cancel.lua", "if rec[1] == 'ended' then return { 0, rec[4] } end", "", CANCEL
    ),
    Mutant(
        "expired permits are free though the clock jumped",
        "lua/acquire.lua",
        "if ARGV[6] ~= '' and math.abs(now - tonumber(ARGV[6])) <= tonumber(ARGV[7]) then",
        "if true then",
        PERMITS,
    ),
)
