"""What can be wrong with takeovers, with life after a black hole, and with the chaos itself: it did too little."""

from __future__ import annotations

from tests.chaos.sins import sin
from tests.chaos.tale import Tale


@sin("the dead's work in other hands, worst calm wait")
def a_takeover_is_late(tale: Tale) -> None:
    for line in tale.find(claim="b2"):
        line["t"] += 1.0


@sin("and begun again there (suspects of poison aside)")
def what_was_taken_over_begins_late(tale: Tale) -> None:
    for line in tale.find(claim="b2"):
        if line["is"] != "take":
            line["t"] += 1.0


@sin("the dead's work in other hands, worst calm wait")
def a_frozen_worker_s_work_is_taken_over_late(tale: Tale) -> None:
    tale.take(15.8, 102, "f1", "7-0")
    tale.take(29.0, 101, "f2", "7-0", again=True)


@sin("takeovers of healthy work")
def work_is_taken_from_one_who_is_well(tale: Tale) -> None:
    tale.take(26.0, 101, "f1", "7-0")
    tale.take(29.5, 102, "f2", "7-0", again=True)


@sin("consuming again after a black hole, worst")
def a_worker_stays_deaf_after_a_black_hole(tale: Tale) -> None:
    for line in tale.lines:
        if line.get("claim") == "e1" or line["t"] >= 40.0:
            line["t"] += 25.0


@sin("consuming again after a black hole, worst")
def a_worker_never_consumes_again(tale: Tale) -> None:
    tale.drop(claim="e1")


@sin("takeovers judged")
def too_few_takeovers_were_seen(tale: Tale) -> None:
    tale.drop(**{"is": "kill"})


@sin("black holes judged")
def a_hole_s_worker_died_before_it_could_consume(tale: Tale) -> None:
    tale.drop(claim="e1")
    tale.tell(35.0, 1, "kill", seat=1, victim=101)


@sin("runs")
def there_were_fewer_runs(tale: Tale) -> None:
    tale.drop(**{"is": "handled", "claim": "a1"})
    tale.drop(**{"is": "handled", "claim": "b2"})


@sin("workers killed")
def nobody_was_killed(tale: Tale) -> None:
    tale.drop(**{"is": "kill"})


@sin("workers stopped past their lease and woken")
def a_stop_was_shorter_than_the_lease(tale: Tale) -> None:
    tale.one(**{"is": "wake"})["t"] = 18.0


@sin("writes that the dead tried and were refused")
def no_zombie_ever_tried_to_write(tale: Tale) -> None:
    tale.drop(**{"is": "refused"})


@sin("store kills")
def the_store_was_never_killed(tale: Tale) -> None:
    tale.drop(**{"is": "store killed"})
    tale.drop(**{"is": "store back"})


@sin("cuts of all of a process's connections")
def a_cut_met_no_connection(tale: Tale) -> None:
    tale.one(**{"is": "cut"})["connections"] = 0


@sin("black holes of all of a worker's connections")
def a_hole_met_no_connection(tale: Tale) -> None:
    tale.one(**{"is": "hole"})["connections"] = 0


@sin("share of the rarer build")
def all_workers_were_of_one_build(tale: Tale) -> None:
    tale.one(**{"is": "start", "worker": 101})["newer"] = False


@sin("share of the worker whose clock is ten minutes off")
def every_clock_was_right(tale: Tale) -> None:
    tale.one(**{"is": "start", "worker": 102})["clock_off"] = 0.0
