"""Cron: every instant of every schedule, once, for any number of schedulers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.figures import Figure, at_least, none_of
from tests.chaos.load import SCHEDULES_PER_FUNCTION, TICKS
from tests.chaos.plan import Sizes
from tests.chaos.story import Line, Story


def figures(story: Story, look: Line, span: Line, sizes: Sizes) -> list[Figure]:
    """`span`: the line that says of which instants all must be there."""
    seconds = (span["through"] - span["after"]) // 1000
    return [
        none_of("cron ticks missed", missed(story, look, span, sizes.schedules)),
        none_of("cron ticks doubled", doubled(story, look)),
        at_least("schedules watched", sizes.schedules if seconds else 0, sizes.schedules),
        at_least("seconds of each schedule judged", seconds, sizes.tick_seconds),
        at_least("schedulers that enqueued", len({line["pid"] for line in story.of("enqueues")}), 3),
    ]


def instants(span: Line, schedules: int) -> Iterator[tuple[str, str]]:
    """(slot, tick id) of everything that must have come."""
    for number in range(schedules):
        function, trigger = divmod(number, SCHEDULES_PER_FUNCTION)
        for at in range(span["after"] + 1000, span["through"] + 1, 1000):
            yield f"cron/{TICKS}-{function}", f"{trigger}@{at}"


def missed(story: Story, look: Line, span: Line, schedules: int) -> Iterator[str]:
    for slot, tick in instants(span, schedules):
        run = f"{slot.removeprefix('cron/')}:{tick}"
        if tick not in look["ticks"].get(slot, {}):
            yield f"tick {run}: never enqueued"
        elif not story.handled.get(run):
            yield f"tick {run}: enqueued, never handled"


def doubled(story: Story, look: Line) -> Iterator[str]:
    for slot, ticks in look["ticks"].items():
        yield from (f"tick {tick} in {slot}: enqueued {n} times" for tick, n in ticks.items() if n > 1)
    ends = Counter(line["run"] for line in story.of("wrote") if line["op"] == "finish")
    yield from (f"tick {run}: ended {n} times" for run, n in ends.items() if n > 1 and run.startswith(TICKS))
