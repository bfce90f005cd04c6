"""Cron expressions with time zones: the one module that knows cronsim.

`TZ=Area/City m h d m w` or plain `m h d m w` (UTC). cronsim steps through wall clock times; which instants those are
is said here, by the rules of Debian's cron:

| the wall clock | expression                    | its instants                                                |
|----------------|-------------------------------|-------------------------------------------------------------|
| jumps ahead    | the hour is given             | what fell into the gap runs once, at the first valid instant |
|                | every hour                    | an hour that isn't there has none                           |
| goes back      | hour and minute are given     | once, at the first of the two                               |
|                | every hour, or every minute   | both times                                                  |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

SECOND = timedelta(seconds=1)
DAY_S = 86_400
HOUR_MS = 3_600_000
LONGEST_BACK_MS = 60 * 366 * DAY_S * 1000
_EXAMPLE = "write e.g. TZ=Europe/Berlin 0 3 * * *"


class ExpressionInvalid(ValueError):
    """The expression or its zone can't be read; the message says which and shows a right one."""


class _Span(NamedTuple):
    """A time of one UTC offset: seconds since the epoch, and the wall clock then."""

    start: int
    end: int
    offset: timedelta

    @property
    def low(self) -> datetime:
        return _wall(self.start, self.offset)

    @property
    def high(self) -> datetime:
        return _wall(self.end, self.offset)


@dataclass(frozen=True, slots=True)
class Expression:
    text: str
    fields: str
    zone: str

    def instants(self, after_ms: int) -> Iterator[int]:
        """The nominal instants later than `after_ms`, ms since the epoch, in order, each once."""
        last = after_ms
        for second in self._seconds(after_ms // 1000):
            if second * 1000 > last:
                last = second * 1000
                yield last

    def latest(self, now_ms: int) -> int:
        """The latest nominal instant that is not after `now_ms`, ms since the epoch; 0 when there was none."""
        back = HOUR_MS
        while back < LONGEST_BACK_MS:
            latest = 0
            for nominal in self.instants(now_ms - back):
                if nominal > now_ms:
                    break
                latest = nominal
            if latest:
                return latest
            back *= 8
        return 0

    def _seconds(self, after: int) -> Iterator[int]:
        """The instants from `after` on, some perhaps twice."""
        *_, minute, hour = self.fields.split()[:-3]
        every_hour, repeats = hour.startswith("*"), hour.startswith("*") or minute.startswith("*")
        times: Iterator[datetime] | None = None
        wall: datetime | None = None
        seen = datetime.min  # noqa: DTZ901 - a wall clock: how far it had got before this span
        for span in _spans(ZoneInfo(self.zone), after - 2 * DAY_S):
            if span.end > after:
                if times is None:
                    begin = _wall(max(after, span.start), span.offset)
                    if after <= span.start:
                        begin = min(begin, seen)  # what falls into a gap
                    times = CronSim(self.fields, (begin if repeats else max(begin, seen)) - SECOND)
                    wall = next(times, None)
                elif repeats and span.low < seen:
                    times = CronSim(self.fields, span.low - SECOND)
                    wall = next(times, None)
                if wall and wall < span.low:
                    while wall and wall < span.low:
                        wall = next(times, None)
                    if not every_hour:
                        yield span.start
                while wall and wall < span.high:
                    yield round((wall - span.offset).replace(tzinfo=UTC).timestamp())
                    wall = next(times, None)
                if wall is None:
                    return
            seen = max(seen, span.high)


def _wall(second: int, offset: timedelta) -> datetime:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None) + offset


def _spans(zone: ZoneInfo, start: int) -> Iterator[_Span]:
    """The times of one offset from `start` on, cut at midnights and wherever the zone's clocks are set."""

    def offset_at(second: int) -> timedelta:
        return datetime.fromtimestamp(second, zone).utcoffset() or timedelta(0)

    while True:
        offset = offset_at(start)
        end = start - start % DAY_S + DAY_S
        if offset_at(end) != offset:
            early = start
            while end - early > 1:
                middle = (early + end) // 2
                early, end = (middle, end) if offset_at(middle) == offset else (early, middle)
        yield _Span(start, end, offset)
        start = end


def parse(text: str) -> Expression:
    """The expression, or ExpressionInvalid."""
    zone, fields = "UTC", text.strip()
    if fields.startswith("TZ="):
        zone, _, fields = fields[3:].partition(" ")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ExpressionInvalid(f"{text!r}: unknown time zone {zone!r}; {_EXAMPLE}") from error
    try:
        comes = next(CronSim(fields, datetime(2026, 1, 1)), None)  # noqa: DTZ001 - a wall clock, of any zone
    except CronSimError as error:
        raise ExpressionInvalid(f"{text!r}: {error}; {_EXAMPLE}") from error
    if comes is None:
        raise ExpressionInvalid(f"{text!r}: that day never comes; {_EXAMPLE}")
    return Expression(text, fields.strip(), zone)
