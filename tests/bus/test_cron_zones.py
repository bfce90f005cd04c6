"""Cron in every time zone: the days around each change of its clocks, in twenty years, against a slow oracle.

Each time some zones whose rules are odd; all that there are by hand (`make cron`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest

from tests.support.cron_oracle import instants, offset, oracle
from tests.support.seeds import seed_of

FIRST, YEARS = date(2016, 1, 1), 20
NOON = time(12)
ODD = [
    "Africa/Cairo",  # at midnight: a day without its first hour
    "Africa/Casablanca",  # back for one month of another calendar
    "America/Havana",
    "Antarctica/Troll",  # by two hours
    "Asia/Pyongyang",  # once, by half an hour
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # by half an hour
    "Europe/Dublin",  # its winter is the exception
    "Pacific/Chatham",  # at a quarter to
]
ZONES = sorted(available_timezones() - {"localtime", "Factory"}) if os.environ.get("CRON_ZONES") == "all" else ODD


def changes(zone: ZoneInfo) -> Iterator[date]:
    """The days on which its clocks are set."""
    last = offset(FIRST, zone)
    for n in range(1, round(YEARS * 365.25)):
        day = FIRST + timedelta(days=n)
        now = offset(day, zone)
        if now != last:
            yield day - timedelta(days=1)
        last = now


def expression(dice: Random) -> str:
    """Mostly of the hours in which clocks are set, and such as come a few times a day."""

    def some(low: int, high: int) -> str:
        return ",".join(map(str, sorted(dice.sample(range(low, high + 1), dice.randint(1, 2)))))

    minute = dice.choice([some(0, 59), some(0, 59), "0", "*/15", "*/20"])
    hour = dice.choice(["*", "0", "0,1", "1", "2", "2,3", "23", some(0, 23)])
    return f"{minute} {hour} {dice.choice(['*', '*', '*', some(1, 31)])} * {dice.choice(['*', '*', '0', '0,6'])}"


@pytest.mark.parametrize("name", ZONES)
def test_around_each_change_of_the_clocks_it_is_as_a_slow_oracle_says(name: str) -> None:
    dice, zone = Random(f"{seed_of('CRON_SEED')} {name}"), ZoneInfo(name)
    for change in [date(2026, 6, 1), *changes(zone)]:
        days = [change + timedelta(days=n) for n in range(-1, 3)]
        start, end = (datetime.combine(day, NOON, zone).astimezone(UTC) for day in (days[0], days[-1]))
        for fields in {expression(dice) for _ in range(3)}:
            expected = [at for at in oracle(fields, zone, days) if start <= at < end]
            assert instants(f"TZ={name} {fields}", start, end) == expected, f"{name} {change} {fields}"
