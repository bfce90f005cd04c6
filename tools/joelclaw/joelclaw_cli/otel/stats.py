"""`joelclaw otel stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.otel.evidence import Wanted, filters, read
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "stats",
    store=True,
    examples=[
        ("joelclaw otel stats --hours 24", "the last day, by action"),
        ("joelclaw otel stats --source router", "one service"),
    ],
)
@filters
def stats(
    place: Place,
    hours: float | None,
    level: str | None,
    source: str | None,
    component: str | None,
    success: bool | None,
    whole: bool,
) -> Answer:
    """How much of what, and how much of it failed; over the newest 100,000 pieces, or --all."""
    found = read(place, Wanted("", hours, level, source, component, success), None, whole=whole)
    actions = Counter(str(e.get("action", "")) for e in found.pieces)
    failed = Counter(str(e.get("action", "")) for e in found.pieces if e.get("success") is False)
    levels = Counter(str(e.get("level", "")) for e in found.pieces)
    result: dict[str, Any] = {
        "total": len(found.pieces),
        "failed": failed.total(),
        "levels": dict(levels),
        "actions": [{"action": a, "count": n, "failed": failed[a]} for a, n in actions.most_common()],
        **found.told,
    }

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import table

        rows = ((n, failed[a] or "", a) for a, n in actions.most_common())
        yield table((">count", ">failed", "action"), rows, empty="no evidence yet")
        yield "  ".join(f"{level} {n}" for level, n in levels.most_common())
        yield from found.warned()

    return Answer(result, view, (("joelclaw otel list --success false", "what failed"),))
