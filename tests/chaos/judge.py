"""The judgement: all figures of one ledger. Pure: the same ledger is always judged alike.

The ledger's own lines say what was asked for (`sizes`), which part a line belongs to (`part`), what the store held
after each part (`look`) and of which instants all ticks must be there (`span`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.chaos import judge_counts, judge_recovery, judge_runs, judge_ticks
from tests.chaos.figures import Figure
from tests.chaos.plan import Sizes
from tests.chaos.story import Line, Story, tell


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two parts: its story, and what the store held at its end."""

    name: str
    story: Story
    look: Line


def parts_of(lines: Sequence[Line], sizes: Sizes) -> dict[str, Part]:
    """The lines between a `part` and its `look`. ValueError when one has no end."""
    parts, inside, name = {}, list[Line](), ""
    for line in lines:
        if line["is"] == "part":
            name, inside = line["name"], []
        elif line["is"] == "look":
            parts[name] = Part(name, tell(inside, sizes.lease), line)
            name = ""
        elif name:
            inside.append(line)
    if name:
        raise ValueError(f"part {name!r} of the ledger has no last look at the store")
    return parts


def judge(lines: Sequence[Line], sizes: Sizes) -> list[Figure]:
    """Every figure, the sins first."""
    parts = parts_of(lines, sizes)
    runs, ticks = parts["runs"], parts["ticks"]
    [span] = ticks.story.of("span")
    return [
        *judge_runs.figures(runs.story, runs.look),
        *(replace(f, name=f"among the ticks: {f.name}") for f in judge_runs.sins(ticks.story, ticks.look)),
        *judge_recovery.figures(runs.story, sizes),
        *judge_ticks.figures(ticks.story, ticks.look, span, sizes),
        *judge_counts.figures(runs.story, sizes),
    ]


def remarks(lines: Sequence[Line], sizes: Sizes) -> list[str]:
    """What is worth knowing and has no limit."""
    runs = parts_of(lines, sizes)["runs"]
    acked, handled = runs.story.of("acked"), runs.story.of("handled")
    told = judge_recovery.remarks(runs.story)
    if len(handled) > 1:
        seconds = handled[-1]["t"] - handled[0]["t"]
        told.append(f"throughput under chaos: {len(handled) / seconds:.0f} runs/s over {seconds:.0f} s")
    told.append(f"publishes acknowledged: {len(acked)}, of them repeats: {sum(1 for a in acked if a['twice'])}")
    stalls = [line["seconds"] for part in parts_of(lines, sizes).values() for line in part.story.of("stall")]
    told.append(f"the machine stood still: {len(stalls)} times, {sum(stalls):.1f} s in all")
    again = sum(1 for h in runs.story.holdings.values() if h.again)
    newer = sum(1 for line in runs.story.of("refused") if line["why"] == "newer")
    told.append(f"taken over: {again}, newer records left alone: {newer}")
    return told
