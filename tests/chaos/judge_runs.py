"""What must never happen to a run or an event: lost, doubled, written by the dead, early, buried for another's sin."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.figures import Figure, none_of
from tests.chaos.load import WORK
from tests.chaos.story import NEVER, Holding, Line, Story


def figures(story: Story, look: Line) -> list[Figure]:
    return [
        none_of("events lost", lost(story)),
        none_of("events appended twice", look["twice"]),
        none_of("events sent by runs lost", unsent(story, look)),
        none_of("waits that missed their event", missed_waits(story)),
        none_of("open runs", open_runs(look)),
        none_of("left over in the store", unrest(look)),
        *sins(story, look),
        none_of("poisons not buried", unburied(story, look)),
    ]


def sins(story: Story, look: Line) -> list[Figure]:
    """What is forbidden at any moment, whether or not all is over."""
    return [
        none_of("runs with two ends", two_ends(story)),
        none_of("steps recorded twice", steps_twice(story)),
        none_of("zombie writes accepted", zombies(story)),
        none_of("due events, sleeps or ticks early", early(story)),
        none_of("innocents buried", innocents(story, look)),
        none_of("broken promises that the auditor found", broken(story)),
    ]


def run_of(event_id: str) -> str:
    return f"{WORK}:{event_id}"


def lost(story: Story) -> Iterator[str]:
    """Acknowledged to its publisher, and no handler ever came to its end with it."""
    for event_id, kind in story.acked.items():
        if kind != "poison" and not story.handled.get(run_of(event_id)):
            begins = len(story.runs.get(run_of(event_id), []))
            yield f"event {event_id}: acknowledged, begun {begins} times, never handled to its end"


def open_runs(look: Line) -> Iterator[str]:
    for what in look["unrest"]:
        if what["kind"] == "open run":
            yield from (f"run {name} in {what['slot']}" for name in what["names"])


def unrest(look: Line) -> Iterator[str]:
    for what in look["unrest"]:
        if what["kind"] != "open run":
            yield f"{what['count']} × {what['kind']} in {what['slot']}: {', '.join(what['names'][:3])}"
    yield from look["leftovers"]


def two_ends(story: Story) -> Iterator[str]:
    for run, begun in story.runs.items():
        ends = [h for h in begun if any(w["op"] == "finish" for w in h.writes)]
        if len(ends) > 1:
            yield f"run {run}: ended by " + " and ".join(f"{h.claim} (process {h.pid})" for h in ends)


def steps_twice(story: Story) -> Iterator[str]:
    """Two results of one step were seen: by those who recorded it, or by handlers that went on with it."""
    for run, begun in story.runs.items():
        seen: dict[str, set[str]] = {}
        for held in begun:
            for w in held.writes:
                if w["op"] == "step":
                    seen.setdefault(w["step"], set()).add(w["kept"].strip('"'))
        for line in story.handled.get(run, []):
            for step, token in line.get("results", {}).items():
                seen.setdefault(step, set()).add(token)
        for step, kept in seen.items():
            if len(kept) > 1:
                yield f"run {run}, step {step}: {' and '.join(sorted(kept))}"


def zombies(story: Story) -> Iterator[str]:
    """A write was accepted of a begin after a later one was given the fence: the later one did not find it there.

    No clock decides this: an earlier begin's write that came in time is in the later begin's journal.
    """
    for run, begun in story.runs.items():
        for n, held in enumerate(begun):
            for later in begun[n + 1 :]:
                for w in held.writes:
                    if _is_late(held, w, later):
                        step = f" {w['step']}" if w.get("step") else ""
                        yield f"run {run}: {w['op']}{step} of {held.claim} (by {held.pid}) after {later.claim} began"


def _is_late(held: Holding, write: Line, later: Holding) -> bool:
    if write["op"] == "finish":
        return True
    if write["op"] == "park":  # a sleep is journaled; a wait is only when its event has come
        journaled = write["state"] == "due" and bool(write["step"])
    else:
        journaled = write["kept"].strip('"') == held.acts.get(write["step"])
    return journaled and write["step"] not in later.known


def unsent(story: Story, look: Line) -> Iterator[str]:
    """A run that sends at its end was handled, and what it sent isn't there."""
    there = set(look["done"])
    for event_id, kind in story.acked.items():
        run = run_of(event_id)
        if kind == "sends" and story.handled.get(run) and not any(run in done for done in there & {_sent(run)}):
            yield f"run {run}: its event {_sent(run)} is not on its stream"


def _sent(run: str) -> str:
    return f"chaos/job|{run}:done"


def missed_waits(story: Story) -> Iterator[str]:
    """A run waited for an event that was sent, and it was told that none came, or another one."""
    for run, lines in story.handled.items():
        for line in lines:
            if "waited" in line and line["waited"] != run.partition(":")[2]:
                yield f"run {run}: waited for its answer, got {line['waited']!r}"


def early(story: Story) -> Iterator[str]:
    for line in story.of("handler"):
        if line["now"] < line["due"]:
            yield f"run {line['run']}: due at {line['due']}, began at {line['now']}"
    for run, begun in story.runs.items():
        for n, held in enumerate(begun):
            for w in held.writes:
                if w["op"] == "park" and w["step"] and w["state"] == "due":
                    yield from (
                        f"run {run}: {w['step']} rests until {w['due']}, began at {later.now}"
                        for later in begun[n + 1 :]
                        if later.now < w["due"]
                    )
    for lines in story.handled.values():
        for line in lines:
            held_by = story.holdings.get(line["claim"])
            if "tick" in line and held_by and held_by.begun < NEVER and held_by.now < nominal(line["tick"]):
                yield f"tick {line['run']}: began at {held_by.now}"


def nominal(tick: str) -> int:
    """A tick's id is SCHEDULE@NOMINAL."""
    return int(tick.rpartition("@")[2])


def innocents(story: Story, look: Line) -> Iterator[str]:
    for letter in look["buried"]:
        if ":poison-" not in letter["run"]:
            yield f"run {letter['run']}: {letter['error']}"
    for line in story.of("wrote"):
        if line["op"] == "finish" and line["status"] != "completed" and ":poison-" not in line["run"]:
            yield f"run {line['run']} ended as {line['status']}: {line['error']}"


def unburied(story: Story, look: Line) -> Iterator[str]:
    there = {letter["run"] for letter in look["buried"]}
    for event_id, kind in story.acked.items():
        if kind == "poison" and run_of(event_id) not in there:
            yield f"event {event_id}: begun {len(story.runs.get(run_of(event_id), []))} times"


def broken(story: Story) -> Iterator[str]:
    """The bus is to keep its promises by itself: an auditor that had to repair one has found a defect."""
    for line in story.of("fact"):
        if line["fact"] == "AuditFound" and line["f_rule"] != "newer-format":  # that is no fault: half are newer
            yield from (
                f"{line['f_rule']}: {name} in {line['f_slot']} ({line['f_remedy']})" for name in line["f_names"]
            )
