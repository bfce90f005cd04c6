"""Whether the chaos was as bad as it claims: a run that did less proves less, and is a miss."""

from __future__ import annotations

from tests.chaos.figures import Figure, at_least
from tests.chaos.plan import Sizes
from tests.chaos.story import Line, Story

SHARE = 0.25
"""Of the begins, for each of two builds."""
CLOCK_SHARE = 0.1
"""Of the begins, for the one worker of three whose clock is off."""


def figures(story: Story, sizes: Sizes) -> list[Figure]:
    runs = [run for run in story.handled if not _is_tick(story, run)]
    stops = [p for life in story.lives.values() for p in life.pauses if p[1] - p[0] > sizes.lease]
    begun = [h for h in story.holdings.values() if h.run]
    off = sum(1 for h in begun if story.lives[h.pid].clock_off) / max(1, len(begun))
    newer = sum(1 for h in begun if story.lives[h.pid].newer) / max(1, len(begun))
    return [
        at_least("runs", len(runs), sizes.runs),
        at_least("workers killed", len(story.of("kill")), sizes.kills),
        at_least("workers stopped past their lease and woken", len(stops), sizes.stops),
        at_least("store kills", len(story.of("store killed")), sizes.store_kills),
        at_least("cuts of all of a process's connections", hit(story, "cut"), sizes.cuts),
        at_least("black holes of all of a worker's connections", hit(story, "hole"), sizes.holes),
        at_least("writes that the dead tried and were refused", len(stale(story)), sizes.stale_writes),
        at_least("share of the rarer build", round(min(newer, 1 - newer), 2), SHARE),
        at_least("share of the worker whose clock is ten minutes off", round(off, 2), CLOCK_SHARE),
    ]


def stale(story: Story) -> list[Line]:
    """Without them, that no zombie's write was accepted would prove nothing."""
    return [line for line in story.of("refused") if line["op"] != "begin"]


def hit(story: Story, what: str) -> int:
    """How many of these deeds met a connection at all."""
    return sum(1 for line in story.of(what) if line["connections"])


def _is_tick(story: Story, run: str) -> bool:
    return "tick" in story.handled[run][0]
