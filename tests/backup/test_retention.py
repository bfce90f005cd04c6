"""Which sets go, by the pure rule; and on a shelf, what is never touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_backup import provider
from joelclaw_backup.artefacts import in_use
from joelclaw_backup.files import open_directory
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.retention import Kept, Rule, keep
from tests.backup.conftest import back_up, settings_of

NOW = 1_000
DAY = 86_400_000


def sets(*times: int) -> list[Kept]:
    return [Kept(f"set-{t}", t, 10) for t in times]


def ids(kept: Sequence[Kept]) -> list[int]:
    return [k.verified_ms for k in kept]


@pytest.mark.parametrize(
    ("times", "last", "pruned"),
    [
        ((), 2, []),
        ((1,), 2, []),
        ((1, 2, 3), 2, [1]),
        ((3, 1, 2), 1, [1, 2]),
        ((1, 2, 3), 7, []),
        ((1, 2), 0, [1]),  # the last good one stays whatever the rule says
        ((1, 2, 5_000), 2, []),  # a clock ran ahead: that one pushes nobody out
        ((1, 2, 3, 5_000), 2, [1]),
    ],
)
def test_the_newest_verified_sets_stay(times, last, pruned):
    plan = keep(sets(*times), NOW, Rule(last))
    assert ids(plan.prune) == pruned
    assert sorted(ids(plan.keep) + pruned) == sorted(times)


def test_age_is_when_it_was_verified_and_not_its_name():
    old, new = Kept("99991231T000000Z-aaaaaaaaaaaa", 1, 10), Kept("20200101T000000Z-bbbbbbbbbbbb", 2, 10)
    assert keep([old, new], NOW, Rule(1)).prune == (old,)


def nights(count: int, at: datetime = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)) -> list[Kept]:
    """One set a night, the last at `at`."""
    return [Kept(f"n{n}", round((at - timedelta(days=n)).timestamp() * 1000), 10) for n in range(count)]


def test_days_weeks_and_months_keep_their_newest_and_each_says_why():
    every = nights(120)  # back to 2 November; 1 March 2026 is a Sunday
    plan = keep(every, every[0].verified_ms, Rule(last=2, daily=4, weekly=3, monthly=3, floor=1))
    assert [k.id for k in reversed(plan.keep)] == ["n0", "n1", "n2", "n3", "n7", "n14", "n29"]
    assert plan.why == {
        "n0": ("last", "daily", "weekly", "monthly", "floor"),
        "n1": ("last", "daily", "monthly"),
        "n2": ("daily",),
        "n3": ("daily",),
        "n7": ("weekly",),
        "n14": ("weekly",),
        "n29": ("monthly",),
    }


def test_a_day_without_a_backup_costs_no_other_day_its_set():
    every = [a for n, a in enumerate(nights(20)) if n % 5 == 0]
    assert len(keep(every, every[0].verified_ms, Rule(last=1, daily=4)).keep) == 4


def test_twice_in_an_hour_of_a_clock_change_is_one_day():
    """UTC has no such hours: two sets of one local hour are simply two sets."""
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    twice = [Kept("a", round(at.timestamp() * 1000), 1), Kept("b", round(at.timestamp() * 1000) + 3_600_000, 1)]
    assert keep(twice, twice[1].verified_ms, Rule(last=1, daily=1)).prune == (twice[0],)


@pytest.mark.parametrize(
    ("good_and_newer", "floor", "goes"), [(0, 1, False), (1, 1, True), (1, 2, False), (2, 2, True)]
)
def test_a_damaged_set_goes_once_enough_good_ones_are_newer(good_and_newer, floor, goes):
    damaged = Kept("damaged", 10, 1, "damaged")
    every = [*sets(1, 2), damaged, *sets(*range(20, 20 + good_and_newer))]
    assert (damaged in keep(every, NOW, Rule(last=9, floor=floor)).prune) == goes


@pytest.mark.parametrize("standing", ["unknown", "unverified"])
def test_what_may_be_good_stays_and_counts_for_nothing(standing):
    doubtful = replace(sets(5)[0], standing=standing)
    plan = keep([*sets(1, 2, 3), doubtful], NOW, Rule(2))
    assert (ids(plan.prune), plan.why["set-5"]) == ([1], (standing,))


STANDINGS = st.sampled_from(["verified", "unknown", "damaged", "unverified"])
SETS = st.lists(
    st.builds(Kept, st.uuids().map(str), st.integers(0, 400 * DAY), st.integers(0, 9), STANDINGS), max_size=40
)
RULES = st.builds(Rule, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 5))


@given(SETS, st.integers(0, 400 * DAY), RULES)
def test_no_rule_and_no_clock_goes_below_the_floor(every, now, rule):
    plan = keep(every, now, rule)
    good = sorted((k for k in every if k.standing == "verified" and k.verified_ms <= now), key=lambda k: -k.verified_ms)
    floor = good[: max(1, rule.floor)]
    stay = {k.id for k in plan.keep}
    assert len([k for k in good if k.id in stay]) >= len(floor)
    assert {k.verified_ms for k in floor} <= {k.verified_ms for k in plan.keep}
    assert {k.id for k in plan.keep} | {k.id for k in plan.prune} == {k.id for k in every}
    assert all(k.standing in ("verified", "damaged") for k in plan.prune)
    assert set(plan.why) == stay


@given(SETS, st.integers(0, 400 * DAY), RULES)
def test_what_stayed_once_stays_again(every, now, rule):
    stayed = keep(every, now, rule).keep
    assert keep(stayed, now, rule).prune == ()


@pytest.mark.anyio
class TestOnAShelf:
    async def sets_of(self, source, nas, count: int, rule: Rule) -> list[str]:
        backup = RedisBackup(settings_of(source, nas, rule=rule))
        return [(await back_up(backup, f"r:{n}", 1_795_000_000_000 + n * 1000))[2]["id"] for n in range(count)]

    @pytest.fixture
    def two_stay(self, environ, nas) -> dict[str, str]:
        numbers = '"keep": 2, "keepDaily": 0, "keepWeekly": 0, "keepMonthly": 0, "keepAtLeast": 1'
        return environ(f'{{"backup": {{"destination": {{"path": "{nas}", {numbers}}}}}}}')

    async def test_a_dry_run_names_what_would_go_and_removes_nothing(self, source, nas, two_stay):
        names = await self.sets_of(source, nas, 4, Rule(9))
        told = provider.prune(two_stay, dry_run=True)
        assert {p["id"] for p in told["pruned"]} == set(names[:2])
        assert told["freedBytes"] == sum(p["bytes"] for p in told["pruned"]) > 0
        assert [k["why"][0] for k in told["kept"]] == ["last", "last"]
        assert {p.name for p in (nas / "backups/redis").iterdir()} == {*names, "latest"}

    async def test_what_is_pruned_is_reported_in_bytes_and_is_gone(self, source, nas, two_stay):
        names = await self.sets_of(source, nas, 4, Rule(9))
        sizes = {n: sum(f.stat().st_size for f in (nas / "backups/redis" / n).iterdir()) for n in names}
        told = provider.prune(two_stay)
        assert {p["id"]: p["bytes"] for p in told["pruned"]} == {n: sizes[n] for n in names[:2]}
        assert {p.name for p in (nas / "backups/redis").iterdir()} == {*names[2:], "latest"}
        assert os.readlink(nas / "backups/redis/latest") == names[3]
        assert provider.prune(two_stay)["pruned"] == []

    async def test_a_set_that_somebody_reads_is_not_taken_away_from_them(self, source, nas, two_stay):
        names = await self.sets_of(source, nas, 3, Rule(9))
        folder = open_directory(nas / "backups/redis" / names[0])
        assert in_use(folder, alone=False)
        told = provider.prune(two_stay)
        assert (told["pruned"], told["inUse"]) == ([], [names[0]])
        folder.close()
        assert [p["id"] for p in provider.prune(two_stay)["pruned"]] == [names[0]]

    async def test_nothing_goes_by_its_name_alone(self, source, nas, two_stay):
        names = await self.sets_of(source, nas, 3, Rule(9))
        shelf = nas / "backups/redis"
        stranger = shelf / "20200101T000000Z-aaaaaaaaaaaa"
        stranger.mkdir()
        (stranger / "dump.rdb").write_bytes(b"x")
        (shelf / names[0] / "manifest.json").unlink()
        assert provider.prune(two_stay)["pruned"] == []
        assert stranger.is_dir()

    async def test_thirty_failed_nights_in_a_row_leave_the_good_sets_alone(self, source, nas, two_stay):
        names = await self.sets_of(source, nas, 2, Rule(2))
        broken = RedisBackup(settings_of("redis://127.0.0.1:1", nas, rule=Rule(2)))
        for night in range(30):
            with pytest.raises(Exception, match=r"127\.0\.0\.1:1") as caught:
                await broken.take(f"bad:{night}", 0, "", 1_795_100_000_000 + night * DAY)
            assert caught.value.failure_class == "connection-refused"
            assert provider.prune(two_stay)["pruned"] == []
        assert [a["id"] for a in provider.list_artefacts(two_stay) if a["verified"]] == names[::-1]
        assert os.readlink(nas / "backups/redis/latest") == names[-1]
