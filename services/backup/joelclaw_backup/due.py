"""When a set of the queue is tried again. Pure.

| what kept it last                | the next look                                                               |
|----------------------------------|-----------------------------------------------------------------------------|
| nothing yet                      | the next tick                                                               |
| the way (the destination's away) | the next tick: it is drained within a minute of the way's return            |
| the data (other bytes, no start) | after 2^n minutes, at most 6 h; n: such tries since a way was last at fault |

Nothing leaves the queue by waiting; `joelclaw backup queue` tells a person who mends the cause when it is tried again.
"""

from __future__ import annotations

from joelclaw_backup.failure import FailureClass
from joelclaw_backup.records import ms_of
from joelclaw_backup.switch import concerns_the_way
from joelclaw_backup.waiting_sets import Queued

MINUTE_MS = 60_000
LONGEST_MS = 6 * 60 * MINUTE_MS


def is_about_the_data(failure: str) -> bool:
    """Whether a look that is taken at once would only find the same again."""
    return failure in set(FailureClass) and not concerns_the_way(FailureClass(failure))


def due_again_ms(record: Queued) -> int | None:
    """When it is tried again, ms since the epoch; None: at the next tick."""
    if not is_about_the_data(record.failure) or not record.tried_at:
        return None
    return ms_of(record.tried_at) + min(MINUTE_MS << min(record.tries_of_data, 30), LONGEST_MS)


def due_again(record: Queued, now: int) -> bool:
    """Whether it is tried now. A clock that was set back is no reason to wait longer than the longest wait."""
    at = due_again_ms(record)
    return at is None or not at - LONGEST_MS <= now < at
