"""Dedupe, takeover, due times, schedules, trimming, groups and the auditor."""

from __future__ import annotations

from tests.mutation.mutant import Mutant

FENCING = ("test_fencing.py", "test_leases.py")
PUBLISH = ("test_publish.py",)
CRON = ("test_cron.py",)
TRIM = ("test_trim.py",)
WORKER = ("test_worker.py",)
GROUPS = ("test_groups.py",)
AUDIT = ("test_auditor.py",)
ROLLOUT = ("test_rollout.py",)

MUTANTS = (
    Mutant(
        "a scheduler sleeps on when the clock has moved",
        "scheduler.py",
        "await self.clock.nap(min(wait, LONGEST_NAP))",
        "await anyio.sleep(min(wait, LONGEST_NAP))",
        ("test_cron.py",),
        model=False,
    ),
    Mutant(
        "publish looks for no id",
        "lua/publish.lua",
        "if seen then return { seen, 1 } end",
        "",
        PUBLISH,
        short=True,
    ),
    Mutant("publish keeps no id", "lua/publish.lua", "if id ~= '' then ids_put(", "if false then ids_put(", PUBLISH),
    Mutant(
        "publish forgets what waits after the window",
        "lua/publish.lua",
        "if redis.call('HEXISTS', KEYS[4], id) == 1 then return { 'due', 1 } end",
        "",
        PUBLISH,
    ),
    Mutant(
        "the cursor is not followed",
        "takeover.py",
        '            if cursor == "0-0":\n                self._look_when',
        "            if True:\n                self._look_when",
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
        "a claimer without a place keeps the election",
        "lua/takeover.lua",
        "if ARGV[8] == '0' or #taken + #gone >= tonumber(ARGV[5]) then",
        "if false then",
        ("test_takeover.py",),
    ),
    Mutant(
        "one process keeps all that may be a poison",
        "suspects.py",
        "Way.ELSEWHERE if waiting >= LANE else Way.ALONE",
        "Way.ALONE",
        ("test_suspects.py",),
        model=False,
    ),
    Mutant(
        "the last begins come in a storm",
        "suspects.py",
        "if awaits_calm(begins, most) and not calm:",
        "if False:",
        ("test_suspects.py",),
        model=False,
    ),
    Mutant(
        "what can't be begun is a death each lease",
        "suspects.py",
        "if known is None or begun not in known:",
        "if True:",
        ("test_suspects.py",),
        model=False,
    ),
    Mutant(
        "after a long storm all last begins come",
        "suspects.py",
        "                    self.calm.used()",
        "                    pass",
        ("test_suspects.py",),
        model=False,
    ),
    Mutant(
        "what lined up in calm begins in a storm",
        "suspects.py",
        "if way_of(suspect.begins, self.most, waiting=0, calm=self.calm.now) is not Way.LATER:",
        "if True:",
        ("test_suspects.py",),
        model=False,
    ),
    Mutant(
        "a process without a place keeps suspects from others",
        "takeover.py",
        "elsewhere += [incoming.entry] if way is Way.ELSEWHERE else []",
        "pass",
        ("test_suspects.py",),
        model=False,
    ),
    Mutant(
        "an older build keeps what only a newer one can begin",
        "left_alone.py",
        "            await self.calls.hand_back(stream, function, self.consumer, self.lease_ms, back)",
        "            pass",
        ROLLOUT,
        model=False,
    ),
    Mutant(
        "an older build lines up what only a newer one can begin",
        "takeover.py",
        "            if it.newer:",
        "            if False:",
        ROLLOUT,
        model=False,
    ),
    Mutant(
        "older builds look at what only a newer one can begin for ever",
        "lua/takeover.lua",
        "for i = 9, #ARGV do alone[ARGV[i]] = true end",
        "",
        ROLLOUT,
    ),
    Mutant(
        "what was handed back unbegun counts as begun",
        "lua/hand_back.lua",
        "math.max(0, count - 1)",
        "count",
        ROLLOUT,
    ),
    Mutant(
        "what nobody had begun is a death",
        "takeover.py",
        "if it.begins < ALONE_FROM and not it.untouched:",
        "if it.begins < ALONE_FROM:",
        ROLLOUT,
        model=False,
    ),
    Mutant(
        "a suspect begins beside others",
        "suspects.py",
        "if begins < ALONE_FROM or begins >= most:",
        "if True:",
        ("test_suspects.py", "test_takeover.py"),
        model=False,
    ),
    Mutant(
        "what is early is promoted",
        "lua/promote.lua",
        "'-inf', now, 'WITHSCORES'",
        "'-inf', '+inf', 'WITHSCORES'",
        PUBLISH,
    ),
    Mutant(
        "a due time that was moved wakes all the same",
        "lua/promote.lua",
        "if due and due > now then",
        "if false then",
        FENCING,
        model=False,  # an index that is older than its records comes with a restore, and the model has none
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
)
