"""What can be wrong with runs, events and ticks: each a way to spoil a healthy ledger, under the figure that must miss.

`sins_recovery` adds to the same register what can be wrong with takeovers, and with the chaos itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.chaos.load import TICKS, WORK
from tests.chaos.tale import JOBS, Tale

Sin = Callable[[Tale], None]
SINS: dict[str, tuple[str, Sin]] = {}


def sin(figure: str) -> Callable[[Sin], Sin]:
    """Registers a way to spoil the ledger, and the figure that must miss then."""

    def register(spoil: Sin) -> Sin:
        SINS[spoil.__name__] = (figure, spoil)
        return spoil

    return register


def look_of(tale: Tale, part: int = 0) -> dict[str, Any]:
    return tale.find(**{"is": "look"})[part]


@sin("events lost")
def an_acknowledged_event_is_never_handled(tale: Tale) -> None:
    tale.drop(**{"is": "handled", "claim": "a1"})


@sin("events appended twice")
def an_event_id_stands_twice_on_its_stream(tale: Tale) -> None:
    look_of(tale)["twice"].append("plain-1")


@sin("events sent by runs lost")
def what_a_run_sent_never_arrived(tale: Tale) -> None:
    look_of(tale)["done"].clear()


@sin("open runs")
def a_run_stays_open(tale: Tale) -> None:
    look_of(tale)["unrest"].append({"kind": "open run", "slot": JOBS, "count": 1, "names": [f"{WORK}:plain-1"]})


@sin("left over in the store")
def an_entry_stays_pending(tale: Tale) -> None:
    look_of(tale)["unrest"].append({"kind": "pending entry", "slot": JOBS, "count": 1, "names": ["1-0 of x"]})


@sin("left over in the store")
def a_key_is_left_that_nobody_knows(tale: Tale) -> None:
    look_of(tale)["leftovers"].append("what: keys.py does not know it")


@sin("runs with two ends")
def a_run_ends_twice(tale: Tale) -> None:
    run = f"{WORK}:plain-2"
    tale.tell(13.9, 100, "wrote", op="finish", run=run, claim="b1", status="completed", error="")


@sin("steps recorded twice")
def two_results_of_a_step_are_recorded(tale: Tale) -> None:
    tale.step(13.3, 101, "b2", f"{WORK}:plain-2", "one")


@sin("steps recorded twice")
def a_handler_goes_on_with_another_result(tale: Tale) -> None:
    tale.one(**{"is": "handled", "claim": "a1"})["results"]["two"] = "somebody else's"


@sin("zombie writes accepted")
def a_step_of_the_dead_is_accepted(tale: Tale) -> None:
    tale.step(13.15, 100, "b1", f"{WORK}:plain-2", "two")


@sin("zombie writes accepted")
def the_dead_end_a_run_that_another_one_began(tale: Tale) -> None:
    tale.drop(**{"is": "wrote", "op": "finish", "claim": "b2"})
    run = f"{WORK}:plain-2"
    tale.tell(13.9, 100, "wrote", op="finish", run=run, claim="b1", status="completed", error="")


@sin("zombie writes accepted")
def the_dead_put_a_run_to_rest(tale: Tale) -> None:
    tale.tell(13.2, 100, "wrote", op="park", run=f"{WORK}:plain-2", claim="b1", step="rest", state="due", due=0)


@sin("due events, sleeps or ticks early")
def a_late_event_comes_early(tale: Tale) -> None:
    line = tale.one(**{"is": "handler", "claim": "a1"})
    line["due"] = line["now"] + 1


@sin("due events, sleeps or ticks early")
def a_sleeper_wakes_early(tale: Tale) -> None:
    later = tale.one(**{"is": "begin", "claim": "b2"})
    later["known"].append("rest")
    due = later["now"] + 1
    tale.tell(9.9, 100, "wrote", op="park", run=f"{WORK}:plain-2", claim="b1", step="rest", state="due", due=due)


@sin("innocents buried")
def an_innocent_is_buried(tale: Tale) -> None:
    look_of(tale)["buried"].append({"run": f"{WORK}:plain-1", "error": "poisoned"})


@sin("innocents buried")
def an_innocent_run_fails(tale: Tale) -> None:
    tale.one(**{"is": "wrote", "op": "finish", "claim": "a1"})["status"] = "failed"


@sin("poisons not buried")
def a_poison_is_never_buried(tale: Tale) -> None:
    look_of(tale)["buried"].clear()


@sin("broken promises that the auditor found")
def the_auditor_had_to_wake_a_run(tale: Tale) -> None:
    more = {"f_slot": JOBS, "f_rule": "run without an entry", "f_names": [f"{WORK}:plain-1"], "f_remedy": "repaired"}
    tale.tell(35.0, 101, "fact", fact="AuditFound", **more)


@sin("waits that missed their event")
def a_wait_was_told_that_nothing_came(tale: Tale) -> None:
    tale.one(**{"is": "handled", "claim": "a1"})["waited"] = ""


@sin("cron ticks missed")
def a_tick_is_never_enqueued(tale: Tale) -> None:
    del look_of(tale, 1)["ticks"][f"cron/{TICKS}-0"]["1@52000"]


@sin("cron ticks missed")
def a_tick_is_never_handled(tale: Tale) -> None:
    tale.drop(**{"is": "handled", "tick": "1@52000"})


@sin("cron ticks doubled")
def a_tick_is_enqueued_twice(tale: Tale) -> None:
    look_of(tale, 1)["ticks"][f"cron/{TICKS}-0"]["1@52000"] = 2


@sin("cron ticks doubled")
def a_tick_ends_twice(tale: Tale) -> None:
    tale.lines.insert(-1, {**tale.one(op="finish", claim="t1"), "t": 54.9})


@sin("among the ticks: due events, sleeps or ticks early")
def a_tick_comes_early(tale: Tale) -> None:
    tale.one(**{"is": "begin", "claim": "t0"})["now"] = 51_999


@sin("seconds of each schedule judged")
def the_schedules_were_watched_too_shortly(tale: Tale) -> None:
    tale.one(**{"is": "span"})["through"] -= 1000


@sin("schedulers that enqueued")
def only_two_schedulers_enqueued(tale: Tale) -> None:
    tale.drop(**{"is": "enqueues", "pid": 202})
