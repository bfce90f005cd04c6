"""What bounds the bus: every number in one place, as a frozen value that workers and tests hand in."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Limits:
    """All sizes in bytes, all times in ms.

    | field             | what happens at the limit                                            |
    |-------------------|----------------------------------------------------------------------|
    | event_bytes       | our own is refused; a foreign one is buried, cut, with its hash      |
    | letter_bytes      | so much of an oversized payload is kept in its dead letter           |
    | steps, run_bytes  | the run ends as failed: it was written without an end                |
    | result_bytes      | the step fails: keep the thing elsewhere and journal its name        |
    | begins            | begins without an end, from the second delivery; then a dead letter  |
    | dead_letters      | a stream keeps so many, the oldest go                                |
    | dedupe_ms         | an id is appended at most once in this window (or 2 million ids)     |
    | events_ms         | an event is kept so long at least, and until every group has it      |
    | ended_ms          | an ended run can be looked at so long                                |
    | buried_ms         | an entry is remembered as buried so long                             |
    | first_read_ms     | a new function reads so far back (0: all there is)                   |
    """

    event_bytes: int = 512 * 1024
    letter_bytes: int = 64 * 1024
    steps: int = 1_000
    run_bytes: int = 4 * 1024 * 1024
    result_bytes: int = 256 * 1024
    begins: int = 5
    dead_letters: int = 10_000
    dedupe_ms: int = DAY_MS
    events_ms: int = 3 * DAY_MS
    ended_ms: int = DAY_MS
    buried_ms: int = 7 * DAY_MS
    first_read_ms: int = DAY_MS
