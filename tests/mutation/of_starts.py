"""What may keep a run from starting, what cancels it, and batches."""

from __future__ import annotations

from tests.mutation.mutant import Mutant

RATE, DEBOUNCE, CANCEL, BATCH = (
    ("test_rate_limit.py",),
    ("test_debounce.py",),
    ("test_cancel_on.py",),
    ("test_batches.py",),
)

MUTANTS = (
    Mutant(
        "a turn is for who asks first",
        "lua/turn.lua",
        "if started + before < most then",
        "if started < most then",
        RATE,
        model=False,
    ),
    Mutant(
        "a turn forgets who started",
        "lua/turn.lua",
        "  redis.call('ZADD', KEYS[1], now, member)\n",
        "",
        RATE,
        model=False,
    ),
    Mutant(
        "who let its turn pass stays in the line",
        "lua/turn.lua",
        "  redis.call('ZREM', KEYS[2], passed)\n",
        "",
        RATE,
        model=False,
    ),
    Mutant(
        "each begin takes a turn",
        "starts.py",
        'if rate is None or f"s:{TURN}".encode() in record:',
        "if rate is None:",
        RATE,
        model=False,
    ),
    Mutant(
        "a debounced run runs too",
        "lua/debounce.lua",
        "then return { 2, last } end",
        "then return { 1 } end",
        DEBOUNCE,
        False,
    ),
    Mutant(
        "what never stops coming never runs",
        "lua/debounce.lua",
        "if longest > 0 then due",
        "if false then due",
        DEBOUNCE,
        model=False,
    ),
    Mutant(
        "a run that has started is debounced",
        "starts.py",
        'if rule is None or f"s:{QUIET}".encode() in record:',
        "if rule is None:",
        DEBOUNCE,
        model=False,
    ),
    Mutant(
        "a run that was cancelled before it began begins",
        "execute.py",
        "if not await cancels.stand():",
        "if await cancels.stand() is None:",
        CANCEL,
        model=False,
    ),
    Mutant(
        "the waits for what cancels outlive their run", "settle.py", "items += at_the_end", "pass", CANCEL, model=False
    ),
    Mutant(
        "the rest of a batch goes on behind a fault",
        "publisher.py",
        "raise BatchCutShort(next(iter(portion.events)), portion.name, len(ready), done, error) from error",
        "continue",
        BATCH,
        model=False,
    ),
)
