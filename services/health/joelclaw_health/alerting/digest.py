"""The one message a day: what was not worth a page, what waits for a person, and what is not well. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from joelclaw_contracts import HealthRound
from joelclaw_healing import Incident

LONGEST = 4_000
LINE = 300
_MORE = 60  # characters kept free for telling what did not fit

Section = tuple[str, int, list[tuple[str, str]]]
"""Its title; how far into the text it may reach where not everything fits; (id or '', line) of each."""


class Digest(NamedTuple):
    """`ids`: of what was kept, those whose line stands in the text; the rest waits for the next one."""

    text: str
    ids: list[str]


def digest(
    kept: Mapping[str, Mapping[str, Any]], waiting: Iterable[Incident], failing: Iterable[str], last: HealthRound | None
) -> Digest:
    """kept: what was kept since the last one, by event id, oldest first in the text; waiting: the manual queue."""
    letters = sorted(kept.items(), key=lambda one: one[1]["at"])
    findings = last.findings if last else ["no round of health checks has ever ended"]
    sections: list[Section] = [
        # A long queue of one kind must not keep the others out day after day.
        ("waits for a person", 1_400, [("", f"{i.id} {i.domain}/{i.target}: {i.problem}") for i in waiting]),
        ("failing", 2_000, [("", one) for one in sorted(failing)]),
        ("kept for this digest", 3_400, [(id, str(one["text"])) for id, one in letters]),
        ("findings", LONGEST, [("", one) for one in findings]),
    ]
    whole = _lay([(title, sys.maxsize, rows) for title, _, rows in sections])
    return whole if len(whole.text) <= LONGEST else _lay(sections)


def _lay(sections: Iterable[Section]) -> Digest:
    text, ids = "Daily digest of system-bus", list[str]()
    for title, end, rows in sections:
        if not rows:
            continue
        text += f"\n{title}: {len(rows)}"
        for number, (id, words) in enumerate(rows):
            line = f"\n- {_line(words)}"
            if len(text) + len(line) > end - _MORE:
                text += f"\n… and {len(rows) - number} more (see CLI)"
                break
            text += line
            ids += [id] if id else []
    return Digest(text if "\n" in text else f"{text}\nnothing to tell: all is well, and nobody is waited for", ids)


def _line(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= LINE else one[: LINE - 1] + "…"
