"""Permits, outboxes, waits and cancels."""

from __future__ import annotations

from tests.mutation.mutant import Mutant

FENCING = ("test_fencing.py", "test_leases.py")
OUTBOX = ("test_outbox.py",)
PERMITS = ("test_permits.py",)
EXCLUSIVE = ("test_exclusive_cancel.py",)
WAITS = ("test_waits.py",)
HEARD = ("test_waits_heard.py",)
CANCEL = ("test_cancel.py",)
REDRIVE = ("test_redrive.py",)

MUTANTS = (
    Mutant(
        "a permit is not renewed",
        "lua/keep_permit.lua",
        "if ARGV[4] ~= '1' or score ~= 'inf' then redis.call('ZADD', KEYS[1], till, ARGV[1]) end",
        "",
        PERMITS,
    ),
    Mutant(
        "a permit is kept by whom it left",
        "lua/keep_permit.lua",
        "if claim_read(redis.call('HGET', KEYS[2], ARGV[1])) ~= ARGV[2] then return 0 end",
        "",
        PERMITS,
    ),
    Mutant(
        "a cancel frees what a handler may be at work under",
        "lua/release.lua",
        "if till and ARGV[7] ~= claim and redis.call('ZSCORE', KEYS[1], ARGV[1]) then",
        "if false then",
        EXCLUSIVE,
    ),
    Mutant(
        "a cancelled handler's permit is not renewed",
        "leases.py",
        "if p and (p.until_the_end or held.delivery.entry not in gone):",
        "if p and held.delivery.entry not in gone:",
        EXCLUSIVE,
        model=False,
    ),
    Mutant(
        "nobody says that a cancelled handler has stopped",
        "execute.py",
        "if await self.calls.ended_by(d.slot, d.run) is not None:",
        "if False:",
        EXCLUSIVE,
        model=False,
    ),
    Mutant(
        "a handler that stopped frees what its open run holds",
        "execute.py",
        "if await self.calls.ended_by(d.slot, d.run) is not None:",
        "if True:",
        EXCLUSIVE,
        model=False,
    ),
    Mutant("permits have no limit", "lua/acquire.lua", "< tonumber(ARGV[2])", "< 1000", PERMITS),
    Mutant(
        "an old release takes a newer permit",
        "lua/release.lua",
        "if ARGV[5] ~= '' and claim and claim ~= ARGV[5] then return { 0 } end",
        "",
        PERMITS,
        model=False,
    ),
    Mutant(
        "a release hands on beyond the limit",
        "lua/release.lua",
        "if ARGV[6] ~= '0' and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[6]) then return { 1 } end",
        "",
        PERMITS,
        model=False,  # its limits are never lowered
    ),
    Mutant(
        "a dead holder keeps its permit", "lua/acquire.lua", "redis.call('ZREM', KEYS[1], old)", "local _ = 0", PERMITS
    ),
    Mutant(
        "an item is put twice",
        "lua/lib/outbox.lua",
        "redis.call('HSETNX', items, id, item) == 1",
        "redis.call('HSET', items, id, item) >= 0",
        FENCING,
        model=False,
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
    Mutant(
        "a try is not counted",
        "lua/outbox_try.lua",
        "return redis.call('HINCRBY', KEYS[1], '#' .. ARGV[1], 1)",
        "return 1",
        OUTBOX,
    ),
    Mutant(
        "a run is told of what it has heard",
        "lua/arrive.lua",
        "if heard_already(spec, number, ARGV[4]) then return 3 end",
        "if false and heard_already(spec, number, ARGV[4]) then return 3 end",
        HEARD,
        model=False,  # its waits have heard nothing; the same of the next three
    ),
    Mutant(
        "what an older worker notes counts though it was heard",
        "waiting.py",
        'return None if arrival and arrival["entry"] in spec.heard(number) else arrival',
        "return arrival",
        HEARD,
        model=False,
    ),
    Mutant(
        "what was noted in vain stays",
        "lua/park.lua",
        "if vain[1] then wait_on(",
        "if false then wait_on(",
        HEARD,
        model=False,
    ),
    Mutant(
        "what was called off in vain is called off",
        "lua/lib/wait_spec.lua",
        "    redis.call('ZREM', outbox, id)\n    redis.call('HDEL', items, id, '#' .. id)\n",
        "",
        HEARD,
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
        "a look back goes by its event's id alone",
        "waiting.py",
        "if entry_ms <= began_ms + SLACK_MS else",
        "if True else",
        WAITS,
        model=False,
    ),
    Mutant(
        "a wait is not registered",
        "lua/await.lua",
        "if tonumber(ARGV[3]) > now then wait_put",
        "if false then wait_put",
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
    Mutant(
        "an escaped value is passed over",
        "lua/lib/match.lua",
        " or text:find('\\\\', 1, true)",
        "",
        WAITS,
        model=False,  # its events say plainly what they say
    ),
    Mutant(
        "a number in another form is passed over",
        "lua/lib/match.lua",
        " or text:find('%d[.eE]')",
        "",
        WAITS,
        model=False,  # its waits ask for no number
    ),
    Mutant("a cancelled run stays due", "lua/cancel.lua", "redis.call('ZREM', KEYS[5], 'r:' .. ARGV[1])", "", CANCEL),
    Mutant(
        "a cancel keeps the permit", "lua/cancel.lua", "if rec[6] then outbox_put", "if false then outbox_put", CANCEL
    ),
    Mutant(
        "a run that is over is cancelled as unread",
        "lua/cancel_unread.lua",
        "if was == 'running' and not pending[1] then return { 0, 'acknowledged' } end",
        "",
        CANCEL,
    ),
    Mutant(
        "a cancel overwrites a record", "lua/cancel_unread.lua", "if state then return { 0, state } end", "", CANCEL
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
        model=False,
    ),
    Mutant(
        "a begin ahead of the clock leaves no record",
        "lua/begin.lua",
        "tonumber(entry:match('^%d+')) > now and '1' or '0'",
        "'0'",
        WAITS,
        model=False,
    ),
    Mutant(
        "a record says when it was written",
        "lua/lib/record.lua",
        "local created = (began or '0') ~= '0' and math.min(tonumber(began), now - tonumber(age)) or now",
        "local created = now",
        WAITS,
        model=False,
    ),
    Mutant(
        "a jump ends permits as soon as leases",
        "permits.py",
        "> PERMIT_LEASES * self.lease_ms",
        "> self.lease_ms",
        PERMITS,
        model=False,
    ),
    Mutant(
        "a redriven run knows who ended it", "lua/redrive.lua", "'ended', 'by', 'permit'", "'ended', 'permit'", REDRIVE
    ),
    Mutant(
        "a letter that went redrives its run",
        "lua/redrive.lua",
        "if redis.call('XDEL', KEYS[5], ARGV[3]) == 0 then return { 0, 'letter gone' } end",
        "redis.call('XDEL', KEYS[5], ARGV[3])",
        REDRIVE,
    ),
)
