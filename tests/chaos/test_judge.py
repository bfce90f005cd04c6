"""The judge can fail: a healthy ledger passes, and each kind of sin in it is a miss of its own figure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos import judge, report, sins, sins_recovery
from tests.chaos.load import WORK
from tests.chaos.tale import JOBS, SIZES, Tale, healthy


def missed(tale: Tale) -> list[str]:
    ordered = sorted(tale.lines, key=lambda line: line["t"])
    return [f.name for f in judge.judge(ordered, SIZES) if not f.ok]


def test_a_healthy_ledger_passes() -> None:
    assert missed(healthy()) == []


@pytest.mark.parametrize("name", sins.SINS)
def test_a_sin_is_a_miss(name: str) -> None:
    figure, spoil = sins.SINS[name]
    tale = healthy()
    spoil(tale)
    assert figure in missed(tale)


def test_every_figure_has_a_sin_that_misses_it() -> None:
    figures = judge.judge(sorted(healthy().lines, key=lambda line: line["t"]), SIZES)
    sinned = {figure for figure, _ in sins.SINS.values()}
    sinned |= {f"among the ticks: {name}" for name in sinned}
    never = {"schedules watched"}  # it says how many there were; `missed` is what fails
    assert {f.name for f in figures} - sinned <= never


@pytest.mark.parametrize(
    "excuse",
    [
        lambda tale: tale.tell(27.0, 1, "cut", seat=1, victim=101, connections=3, began=27.0),
        lambda tale: tale.lines.extend(
            [{"t": 27.0, "pid": 1, "is": "store killed"}, {"t": 27.5, "pid": 1, "is": "store back"}]
        ),
        lambda tale: tale.tell(29.4, 101, "drop", at=JOBS, entry="7-0", claim="f1"),
    ],
    ids=["its network was cut", "the store was away", "it had let go"],
)
def test_losing_work_is_excused_by_trouble(excuse: sins.Sin) -> None:
    tale = healthy()
    sins_recovery.work_is_taken_from_one_who_is_well(tale)
    excuse(tale)
    assert "takeovers of healthy work" not in missed(tale)


def test_a_disturbance_begins_the_wait_for_a_takeover_anew() -> None:
    tale = healthy()
    sins_recovery.a_takeover_is_late(tale)
    tale.tell(11.5, 102, "fact", fact="Discontinuity", f_where="x", f_reason="y")
    assert missed(tale) == []


def test_while_nobody_is_there_nobody_is_late() -> None:
    tale = healthy()
    sins_recovery.a_takeover_is_late(tale)
    for pid in (101, 102):
        tale.tell(10.1, 1, "stop", seat=pid - 100, victim=pid)
        tale.tell(11.5, 1, "wake", seat=pid - 100, victim=pid)
    assert missed(tale) == []


def test_while_all_are_cut_off_and_say_so_nobody_is_late() -> None:
    tale = healthy()
    sins_recovery.a_takeover_is_late(tale)
    for pid in (101, 102):
        tale.tell(10.1, pid, "fact", fact="StoreTrouble", f_where="x", f_doing="y", f_error="z")
        tale.tell(11.5, pid, "fact", fact="StoreBack", f_where="x", f_after_seconds=1.4)
    assert missed(tale) == []


def test_one_who_is_cut_off_excuses_nobody_else() -> None:
    tale = healthy()
    sins_recovery.a_takeover_is_late(tale)
    tale.tell(9.0, 102, "fact", fact="StoreTrouble", f_where="x", f_doing="y", f_error="z")
    tale.tell(14.8, 102, "fact", fact="StoreBack", f_where="x", f_after_seconds=5.8)
    assert "the dead's work in other hands, worst calm wait" in missed(tale)


def test_while_the_store_is_away_nobody_is_late() -> None:
    tale = healthy()
    sins_recovery.a_takeover_is_late(tale)
    tale.tell(10.1, 1, "store killed")
    tale.tell(11.5, 1, "store back")
    assert missed(tale) == []


@pytest.mark.parametrize(("at", "heard"), [(33.0, True), (29.0, False), (60.0, False)])
def test_after_a_black_hole_who_reads_that_there_is_nothing_is_not_deaf(at: float, heard: bool) -> None:
    tale = healthy()
    sins_recovery.a_worker_stays_deaf_after_a_black_hole(tale)
    tale.tell(at, 101, "idle", at=JOBS)
    assert ("consuming again after a black hole, worst" not in missed(tale)) == heard


def test_a_write_that_the_next_begin_found_is_no_zombie_s_though_its_line_came_later() -> None:
    tale = healthy()
    tale.step(13.15, 100, "b1", f"{WORK}:plain-2", "rest")
    tale.one(**{"is": "begin", "claim": "b2"})["known"].append("rest")
    assert missed(tale) == []


def test_a_part_without_a_last_look_can_t_be_judged() -> None:
    tale = healthy()
    tale.lines.remove(sins.look_of(tale, 1))
    with pytest.raises(ValueError, match="no last look"):
        judge.judge(tale.lines, SIZES)


def test_a_miss_names_whom_it_concerns() -> None:
    tale = healthy()
    sins.an_acknowledged_event_is_never_handled(tale)
    figures = judge.judge(sorted(tale.lines, key=lambda line: line["t"]), replace(SIZES, runs=3))
    told = "\n".join(report.lines_of(figures))
    assert "MISS" in told
    assert "event plain-1: acknowledged, begun 1 times, never handled to its end" in told
