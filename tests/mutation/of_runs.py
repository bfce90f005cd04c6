"""The fence, the lease, the journal and the end of a run."""

from __future__ import annotations

from tests.mutation.mutant import Mutant

FENCING = ("test_fencing.py", "test_leases.py")
PERMITS = ("test_permits.py",)
WORKER = ("test_worker.py",)
CLAIM = "if rec[1] and rec[2] ~= claim then return { 0, 'claim' } end"

MUTANTS = (
    Mutant("the claim fences no step", "lua/step.lua", CLAIM, "", FENCING, short=True),
    Mutant("the claim fences no finish", "lua/finish.lua", CLAIM, "", FENCING),
    Mutant("the claim fences no rest", "lua/park.lua", CLAIM.replace("claim then", "ARGV[4] then"), "", FENCING),
    Mutant(
        "whoever holds the lease may write",
        "lua/lib/lease.lua",
        "if rows[1][2] ~= consumer then return false, 'lease' end",
        "",
        FENCING,
        short=True,
    ),
    Mutant("a begin leaves the old claim", "lua/begin.lua", "redis.call('HSET', run, 'claim', claim)", "", FENCING),
    Mutant(
        "a run that breaks breaks its neighbours",
        "lua/lib/each.lua",
        "pcall(act, KEYS[i], unpack(words))",
        "true, act(KEYS[i], unpack(words))",
        ("test_many.py",),
        model=False,
    ),
    Mutant(
        "the more of one run are taken for its neighbour's",
        "lua/lib/each.lua",
        "tail, words[size] = tail + many, more",
        "tail, words[size] = tail, more",
        ("test_many.py",),
        model=False,
    ),
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
        ("test_fencing.py", "test_leases.py", "test_processes.py"),
    ),
    Mutant(
        "a task that never began is waited for",
        "handlers.py",
        "with anyio.move_on_after(SILENT_LEASES * leases.lease_ms / 1000, shield=True):",
        "with anyio.CancelScope(shield=True):",
        ("test_stop.py",),
        model=False,
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
        ("test_fencing.py", "test_leases.py"),
    ),
    Mutant(
        "an open run begins twice",
        "lua/begin.lua",
        "if rec[2] ~= at then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'open' } end",
        "",
        ("test_publish.py", "test_fencing.py", "test_leases.py"),
    ),
    Mutant("poison is never told", "lua/begin.lua", "begins > most and 3 or 1", "1", FENCING),
    Mutant(
        "begins are counted from the first",
        "lua/begin.lua",
        "if count > 1 and begins <= most then",
        "if count > 0 and begins <= most then",
        FENCING,
    ),
    Mutant(
        "a burial that was lost is a begin",
        "lua/begin.lua",
        "if count > 1 and begins <= most then",
        "if count > 1 then",
        FENCING,
        model=False,  # so many deaths in a row it seldom meets
    ),
    Mutant(
        "progress counts as poison", "lua/step.lua", "'HDEL', run, 'begins', unpack", "'HDEL', run, '', unpack", FENCING
    ),
    Mutant(
        "a lost answer to finish is a refusal",
        "lua/finish.lua",
        "if rec[1] == 'ended' and rec[3] == claim then return { 1, now } end",
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
        "ack(KEYS[1], KEYS[2], fn, entry)\n  return { 1, now }",
        "return { 1, now }",
        ("test_fencing.py", "test_leases.py", "test_worker.py"),
    ),
    Mutant(
        "a failed run leaves no dead letter",
        "lua/finish.lua",
        "local failed = status == 'failed'",
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
        "if tonumber(rec[4] or '0') >= tonumber(ARGV[4]) then return { 2, 'steps' } end",
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
    Mutant("a run that is not held is woken", "lua/wake.lua", "if state ~= 'held' then", "if false then", FENCING),
    Mutant(
        "a wake-up leaves the fallback", "lua/wake.lua", "redis.call('ZREM', KEYS[2], 'r:' .. ARGV[1])", "", FENCING
    ),
)
