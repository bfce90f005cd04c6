"""Is it mended? One pure page over the samples after an act: `remediated` is said only after it has stayed good.

| the samples since the act, oldest first                            | means      |
|--------------------------------------------------------------------|------------|
| the last ones are good, so many and over so long as must be        | held       |
| the last is failing, and a start in its grace does not explain it  | failed     |
| neither, and the time for a start and three windows is over        | unverified |
| else                                                               | go on      |
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import takewhile

from joelclaw_healing import GuardLimits, Seen
from joelclaw_healing.guard_policy import held
from joelclaw_runtime_remediator.sample import Sample

MOST_LOOKS = 200


class Watch(StrEnum):
    HELD = "held"
    FAILED = "failed"
    UNVERIFIED = "unverified"
    GO_ON = "go on"


def watch(samples: Sequence[Sample], limits: GuardLimits) -> Watch:
    """`samples`: at least one, by one host's clock."""
    last = samples[-1]
    good = list(takewhile(lambda sample: sample.seen is Seen.OK, reversed(samples)))
    if good and held(len(good), last.at_ms - good[-1].at_ms, limits):
        return Watch.HELD
    if last.seen is Seen.FAILING and not (last.starting and (last.age_ms or 0) < limits.start_grace_ms):
        return Watch.FAILED
    if last.at_ms - samples[0].at_ms > limits.start_grace_ms + 3 * limits.stability_ms:
        return Watch.UNVERIFIED
    return Watch.GO_ON


def pause_s(samples: Sequence[Sample], limits: GuardLimits, confirm_every_ms: int) -> float:
    """Seconds to the next look: the passes are spread over the window; while it starts, it is looked at more often,
    but so that no watch has more than some hundred looks."""
    spread = limits.stability_ms / max(1, limits.passes - 1)
    if samples[-1].seen is Seen.OK:
        return spread / 1000
    return max(min(spread, confirm_every_ms), limits.start_grace_ms / MOST_LOOKS) / 1000
