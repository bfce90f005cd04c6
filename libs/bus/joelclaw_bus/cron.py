"""Cron expressions with time zones: the one module that knows cronsim.

`TZ=Area/City m h d m w` or plain `m h d m w` (UTC). Daylight saving as Debian's cron does it: an instant that falls
into a gap runs at the first valid one after it; fixed times run once in a fold, wildcard minutes in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError


class ExpressionInvalid(ValueError):
    """The expression or its zone can't be read; the message says which and shows a right one."""


FOLD_MS = 7_200_000


@dataclass(frozen=True, slots=True)
class Expression:
    text: str
    fields: str
    zone: str

    def instants(self, after_ms: int) -> Iterator[int]:
        """The nominal instants later than `after_ms`, ms since the epoch, in order, each once."""
        start = datetime.fromtimestamp(after_ms / 1000, UTC).astimezone(ZoneInfo(self.zone))
        last = after_ms
        # One minute back, and a filter: cronsim steps in wall time, which repeats itself in a fold.
        for when in CronSim(self.fields, start - timedelta(minutes=1)):
            nominal = round(when.timestamp() * 1000)
            if nominal > last:
                last = nominal
                yield nominal

    def latest(self, now_ms: int) -> int:
        """The latest nominal instant that is not after `now_ms`, ms since the epoch."""
        now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(self.zone))
        before = next(CronSim(self.fields, now + timedelta(minutes=1), reverse=True))
        latest = round(before.timestamp() * 1000)
        # Backwards it steps in wall time as well: what it names is a start, and going forward finds the last one.
        for nominal in self.instants(min(latest, now_ms) - FOLD_MS):
            if nominal > now_ms:
                break
            latest = nominal
        return latest


def parse(text: str) -> Expression:
    """The expression, or ExpressionInvalid."""
    zone, fields = "UTC", text.strip()
    if fields.startswith("TZ="):
        zone, _, fields = fields[3:].partition(" ")
    try:
        ZoneInfo(zone)
        CronSim(fields, datetime(2026, 1, 1, tzinfo=UTC))
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ExpressionInvalid(
            f"{text!r}: unknown time zone {zone!r}; write e.g. TZ=Europe/Berlin 0 3 * * *"
        ) from error
    except CronSimError as error:
        raise ExpressionInvalid(f"{text!r}: {error}; write e.g. TZ=Europe/Berlin 0 3 * * *") from error
    return Expression(text, fields.strip(), zone)
