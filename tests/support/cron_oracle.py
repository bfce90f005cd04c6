"""Cron by brute force: each wall clock minute of a day, one by one, by the table in cron.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from joelclaw_bus.cron import parse


def instants(text: str, start: datetime, end: datetime) -> list[datetime]:
    after, before = round(start.timestamp() * 1000) - 1, round(end.timestamp() * 1000)
    found = takewhile(lambda at: at < before, parse(text).instants(after))
    return [datetime.fromtimestamp(at / 1000, UTC) for at in found]


def valid(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants at which the clocks of a zone show this."""
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in both if at.astimezone(zone).replace(tzinfo=None) == wall)


def oracle(fields: str, zone: ZoneInfo, days: Iterable[date]) -> list[datetime]:
    """The instants of an expression on some days of a zone, in order."""
    minute, hour, dom, month, dow = fields.split()
    every_hour, repeats = hour == "*", hour == "*" or minute.startswith("*")
    found = set()
    for d in days:
        in_dom, in_dow = d.day in numbers(dom, 1, 31), d.isoweekday() % 7 in numbers(dow, 0, 6)
        fits = (in_dom and in_dow) if "*" in (dom[0], dow[0]) else (in_dom or in_dow)
        if not fits or d.month not in numbers(month, 1, 12):
            continue
        for h in numbers(hour, 0, 23):
            for m in numbers(minute, 0, 59):
                wall = datetime(d.year, d.month, d.day, h, m)  # noqa: DTZ001 - a wall clock
                at = valid(wall, zone)
                if not at and not every_hour:
                    while not valid(wall, zone):
                        wall += timedelta(minutes=1)
                    at = valid(wall, zone)[:1]
                found |= set(at if repeats else at[:1])
    return sorted(found)


def numbers(text: str, low: int, high: int) -> set[int]:
    if text == "*":
        return set(range(low, high + 1))
    if text.startswith("*/"):
        return set(range(low, high + 1, int(text[2:])))
    return {int(part) for part in text.split(",")}


def some_of(low: int, high: int) -> st.SearchStrategy[str]:
    return st.lists(st.integers(low, high), min_size=1, max_size=3, unique=True).map(lambda n: ",".join(map(str, n)))


STEPS = st.sampled_from(["*/5", "*/7", "*/15", "*/30"])
FIELDS = st.tuples(
    some_of(0, 59) | STEPS,
    st.sampled_from(["1", "2", "3", "0,2", "1,2,3", "2,23"]) | st.just("*") | some_of(0, 23),
    st.just("*") | some_of(1, 31),
    st.just("*") | st.sampled_from(["3,10", "4,10,11", "1"]),
    st.just("*") | st.sampled_from(["0", "0,6", "1,3"]),
).map(" ".join)


def offset(d: date, zone: ZoneInfo) -> timedelta | None:
    """How far a zone is from UTC as a day begins."""
    return datetime(d.year, d.month, d.day, tzinfo=zone).utcoffset()
