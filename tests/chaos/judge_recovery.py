"""How well death is told from trouble: takeovers in time, never of healthy work, and life after a black hole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles

from tests.chaos.figures import Figure, at_least, none_of
from tests.chaos.plan import Sizes
from tests.chaos.story import NEVER, Holding, Life, Line, Story

GRACE = 1.0
TROUBLED = 2.5
"""Seconds beyond a lease for which a worker that was cut off may still lose work: its calls' deadline and a retry."""
CONSUMES_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Orphan:
    """A delivery whose holder died (or froze) at `died`, and the next one of its entry.

    The waits are the longest stretches without a disturbance: until somebody held it, and until it began again.
    `calm`: nothing disturbed it at all.
    """

    held: Holding
    next: Holding
    died: float
    until_held: float
    until_begun: float
    calm: bool

    @property
    def beside(self) -> bool:
        """It did not have to wait for its turn as one that may be a poison."""
        return self.next.begun < NEVER and self.next.begins <= 2


def figures(story: Story, sizes: Sizes) -> list[Figure]:
    all_orphans = list(orphans(story))
    beside = [o for o in all_orphans if o.beside]
    limit = sizes.lease + GRACE
    holes = list(after_holes(story))
    slow = [f"hole at {h['t']:.3f} on process {h['victim']}: {s:.1f} s" for h, s in holes if s > CONSUMES_WITHIN]
    return [
        Figure(
            "the dead's work in other hands, worst calm wait",
            round(max((o.until_held for o in all_orphans), default=0.0), 2),
            limit,
            unit="s",
            sinners=[_late(o, o.until_held) for o in all_orphans if o.until_held > limit],
        ),
        Figure(
            "and begun again there (suspects of poison aside)",
            round(max((o.until_begun for o in beside), default=0.0), 2),
            limit,
            unit="s",
            sinners=[_late(o, o.until_begun) for o in beside if o.until_begun > limit],
        ),
        at_least("takeovers judged", len(all_orphans), sizes.judged_takeovers),
        none_of("takeovers of healthy work", healthy(story)),
        Figure(
            "consuming again after a black hole, worst",
            round(max((s for _, s in holes), default=0.0), 2),
            CONSUMES_WITHIN,
            unit="s",
            sinners=slow,
        ),
        at_least("black holes judged", len(holes), sizes.holes),
    ]


def _late(o: Orphan, waited: float) -> str:
    return (
        f"entry {o.held.entry} of {o.held.at}, run {o.held.run or o.next.run or '?'}: its holder {o.held.pid} died at"
        f" {o.died:.3f}, {o.next.pid} took it at {o.next.taken:.3f} and began at {o.next.begun:.3f};"
        f" {waited:.2f} s of it calm"
    )


def remarks(story: Story) -> list[str]:
    """What is worth knowing and has no limit."""
    calm = sorted(o.next.taken - o.died for o in orphans(story) if o.calm)
    told = []
    if len(calm) > 1:
        hundredths = quantiles(calm, n=100)
        told.append(f"undisturbed takeovers: {len(calm)}, median {hundredths[49]:.2f} s, p99 {hundredths[98]:.2f} s")
    told.append(f"worker time in which a takeover of its work would be a miss: {100 * healthy_share(story):.0f} %")
    return told


def orphans(story: Story) -> Iterator[Orphan]:
    """Deliveries that lost their holder and came into other hands."""
    for held_in_turn in story.entries.values():
        for held, after in pairwise(held_in_turn):
            died = _lost_at(story, held)
            if died < after.taken:
                begun = min(after.begun, after.settled)
                calm = begun < NEVER and not story.disturbed(died, begun)
                waits = _calm_wait(story, died, after.taken), _calm_wait(story, died, begun)
                yield Orphan(held, after, died, *waits, calm)


def _calm_wait(story: Story, since: float, until: float) -> float:
    """The longest stretch between the two without a disturbance, with anybody there and a store; 0 without an end."""
    if until == NEVER:
        return 0.0
    stretches = pairwise([since, *story.disturbed(since, until), until])
    return max((b - a for a, b in stretches if story.could_act((a + b) / 2)), default=0.0)


def _lost_at(story: Story, held: Holding) -> float:
    """When its holder died or froze for more than a lease with it in hand; NEVER if it did not."""
    life = story.lives.get(held.pid)
    over = min(held.settled, held.let_go)
    if life is None:
        return NEVER
    for began, ended in life.pauses:
        if held.taken <= began < over and min(ended, life.ended) - began > story.lease:
            return began
    return life.ended if held.taken <= life.ended < over else NEVER


def healthy(story: Story) -> Iterator[str]:
    """Taken over from one who lived, was not frozen, not cut off, and had not let go of it."""
    for held_in_turn in story.entries.values():
        for held, taker in pairwise(held_in_turn):
            life = story.lives.get(held.pid)
            if (
                taker.again
                and life
                and min(held.settled, held.let_go) > taker.taken
                and is_well(story, life, taker.taken)
            ):
                yield (
                    f"entry {taker.entry} of {taker.at}, run {held.run or taker.run or '?'}: {taker.pid} took it at"
                    f" {taker.taken:.3f} from {held.pid}, who held it since {held.taken:.3f}"
                )


def is_well(story: Story, life: Life, at: float) -> bool:
    """Whether nothing excuses that this worker's lease ran out by then."""
    since = at - story.lease - TROUBLED
    if not life.lives(at) or life.paused(since, at) or story.store_was_out(since, at):
        return False
    return not any(since <= moment <= at for moment in life.cut_off)


def healthy_share(story: Story) -> float:
    """Which part of all worker time was watched for takeovers of healthy work: sampled four times a second."""
    well = total = 0
    end = story.lines[-1]["t"] if story.lines else 0.0
    for life in story.lives.values():
        at = life.up
        while at < min(life.ended, end):
            total += 1
            well += is_well(story, life, at)
            at += 0.25
    return well / total if total else 0.0


def after_holes(story: Story) -> Iterator[tuple[Line, float]]:
    """For each black hole: how long until its worker finished a run that it read afterwards, or until a read of its
    own told it that there was nothing to be read.

    One whose worker ended before that, by another cause, within the time it has, is not counted.
    """
    consumed: dict[int, list[tuple[float, float]]] = {}
    for held in story.holdings.values():
        if not held.again and held.settled < NEVER:
            consumed.setdefault(held.pid, []).append((held.taken, held.settled))
    for line in story.of("idle"):
        consumed.setdefault(line["pid"], []).append((line["t"], line["t"]))
    for hole in story.of("hole"):
        life = story.lives.get(hole["victim"])
        if life is None or not hole["connections"]:
            continue
        after = [done for read, done in consumed.get(hole["victim"], []) if read > hole["t"] + 0.1]
        seconds = min(after, default=NEVER) - hole["t"]
        if seconds == NEVER and life.ended - hole["t"] <= CONSUMES_WITHIN:
            continue
        yield hole, seconds
