"""The one message a day: what was not worth a page, what waits for a person, and what is not well. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from joelclaw_contracts import HealthRound
from joelclaw_healing import Incident

LONGEST = 4_000
LINE = 300


def digest(
    kept: Mapping[str, Mapping[str, Any]], waiting: Iterable[Incident], failing: Iterable[str], last: HealthRound | None
) -> str:
    """kept: what was kept since the last one, by event id; waiting: the manual queue."""
    parts = [
        ("waits for a person", [f"{i.id} {i.domain}/{i.target}: {i.problem}" for i in waiting]),
        ("failing", sorted(failing)),
        ("kept for this digest", [str(one["text"]) for one in sorted(kept.values(), key=lambda one: one["at"])]),
        ("findings", list(last.findings) if last else ["no round of health checks has ever ended"]),
    ]
    lines = ["Daily digest of system-bus"]
    for title, words in parts:
        lines += [f"{title}: {len(words)}", *(f"- {_line(word)}" for word in words)] if words else []
    if len(lines) == 1:
        lines.append("nothing to tell: all is well, and nobody is waited for")
    text = "\n".join(lines)
    return text if len(text) <= LONGEST else text[: LONGEST - 20] + "\n… (cut; see CLI)"


def _line(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= LINE else one[: LINE - 1] + "…"
