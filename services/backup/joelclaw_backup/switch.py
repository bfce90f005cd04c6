"""Which way a copy goes next: the local root or SSH, now or after a wait, or into the queue. Pure; dice in [0, 1).

| what happened so far                                                  | move              | rule             |
|-----------------------------------------------------------------------|-------------------|------------------|
| nothing                                                               | the preferred way | preferred-way    |
| a way failed; the other is open and was not tried since the last wait | the other way     | other-way        |
| the open ways have failed, and attempts are left                      | wait, then again  | wait, again      |
| a way failed for good: a person must mend it                          | not that one again in this run       |
| every way failed for good                                             | give up           | no-way-left      |
| attempts are spent, or the next wait ends after the window            | the queue         | queued           |
| the same, and there is no queue                                       | give up           | attempts-spent   |
| a set of the queue is carried at last                                 | use               | drained          |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from joelclaw_backup.failure import FailureClass
from joelclaw_backup.policy import needs_a_person

Mode = Literal["local", "remote"]

TRANSIENT = frozenset(
    {
        FailureClass.TIMEOUT,
        FailureClass.CONNECTION_REFUSED,
        FailureClass.CONNECTION_RESET,
        FailureClass.UNREACHABLE,
        FailureClass.RESOURCE_UNAVAILABLE,
        FailureClass.IO_ERROR,
        FailureClass.STALE_FILE_HANDLE,
        FailureClass.SERVER_UNAVAILABLE,
        FailureClass.NOT_MOUNTED,
        FailureClass.SSH_TRANSPORT,
    }
)
"""Another way, or the same one later, may do; what is neither this nor for a person is about the data, not the way."""


class Rule(StrEnum):
    PREFERRED = "preferred-way"
    OTHER = "other-way"
    WAIT = "wait"
    AGAIN = "again"
    QUEUED = "queued"
    SPENT = "attempts-spent"
    NO_WAY = "no-way-left"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Patience:
    """attempts: tries of one transfer, over all ways; waits in ms."""

    attempts: int = 1
    base_ms: int = 10_000
    cap_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt that failed."""

    mode: Mode
    failure: FailureClass
    detail: str


@dataclass(frozen=True, slots=True)
class Waited:
    """A wait between attempts."""


@dataclass(frozen=True, slots=True)
class Move:
    """act: `use` the way `mode`, `wait` for `ms`, `queue` it, or `give-up`."""

    act: Literal["use", "wait", "queue", "give-up"]
    rule: Rule
    mode: Mode = "local"
    ms: int = 0


def concerns_the_way(failure: FailureClass) -> bool:
    """Whether such a failure says anything about how the copy travelled."""
    return failure in TRANSIENT or needs_a_person(failure)


def next_move(
    history: Sequence[Tried | Waited],
    ways: Sequence[Mode],
    patience: Patience,
    *,
    queue: bool,
    dice: float,
    left_ms: int | None = None,
) -> Move:
    """ways: in the order of preference; queue: whether there is one; left_ms: until the recovery window closes."""
    tried = [entry for entry in history if isinstance(entry, Tried)]
    if not tried:
        return Move("use", Rule.PREFERRED, ways[0])
    shut = {entry.mode for entry in tried if needs_a_person(entry.failure)}
    open_ways = [mode for mode in ways if mode not in shut]
    if not open_ways:
        return Move("give-up", Rule.NO_WAY)
    if len(tried) >= patience.attempts:
        return Move("queue", Rule.QUEUED) if queue else Move("give-up", Rule.SPENT)
    rounds = sum(isinstance(entry, Waited) for entry in history)
    last_wait = max((at for at, entry in enumerate(history) if isinstance(entry, Waited)), default=-1)
    lately = {entry.mode for entry in history[last_wait + 1 :] if isinstance(entry, Tried)}
    fresh = [mode for mode in open_ways if mode not in lately]
    if fresh:
        return Move("use", Rule.OTHER if lately else Rule.AGAIN, fresh[0])
    ms = wait_ms(rounds, patience, dice)
    if left_ms is not None and ms > left_ms:
        return Move("queue", Rule.QUEUED) if queue else Move("give-up", Rule.SPENT)
    return Move("wait", Rule.WAIT, ms=ms)


def wait_ms(round: int, patience: Patience, dice: float) -> int:
    """The base doubled per round up to the cap, plus jitter in [0, min(1 s, 20 %))."""
    plain = min(patience.base_ms << min(round, 30), patience.cap_ms)
    return plain + int(dice * min(1000, plain // 5))


def verdict_of(history: Sequence[Tried | Waited]) -> Tried:
    """The failure that stands for all: what a person must mend before what may pass, the last before earlier ones."""
    tried = [entry for entry in history if isinstance(entry, Tried)]
    return next((entry for entry in reversed(tried) if needs_a_person(entry.failure)), tried[-1])
