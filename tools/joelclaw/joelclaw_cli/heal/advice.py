"""`joelclaw heal advice`: what the models said beside the policy, from the evidence that each asking leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import Finite
from joelclaw_cli.otel.evidence import Wanted, read
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

SUFFIX = ".model"
NOBODY = "(none answered)"


@command(
    "advice",
    store=True,
    examples=[("joelclaw heal advice --hours 168", "before a model leaves shadow mode: how often it agrees")],
)
@click.option("--hours", type=Finite(0, 24 * 366), default=24.0, show_default=True, help="Only the last so many hours.")
def advice(place: Place, hours: float) -> Answer:
    """How often the models agree with the policy, and what they cost.

    In shadow mode they are asked and not followed. A model that gave no usable answer counts for nothing in the rate.
    """
    found = read(place, Wanted(SUFFIX, hours), None, whole=True)
    told = [
        e["metadata"]
        for e in found.pieces
        if str(e.get("action", "")).endswith(SUFFIX) and "planned" in (e.get("metadata") or {})
    ]
    rows = [_row(name, told) for name in sorted({_name(m) for m in told})]
    result: dict[str, Any] = {"hours": hours, "asked": len(told), "models": rows}

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import table

        head = (
            "model",
            ">answers",
            ">agree",
            ">shadow",
            ">tokens in",
            ">tokens out",
            ">median ms",
            ">worst ms",
            "other",
        )
        lines = (
            (
                *(r["model"], r["answers"], "" if r["rate"] is None else f"{r['rate']:.0%}", r["shadow"]),
                *(r["tokensIn"], r["tokensOut"], r["medianMs"], r["worstMs"]),
                ", ".join(f"{what} {n}" for what, n in r["otherwise"].items()),
            )
            for r in rows
        )
        yield table(head, lines, empty=f"no model was asked within {hours:g} h; selfHealing.router.model names one")

    return Answer(result, view, (("joelclaw otel search .model", "each time that a model was asked"),))


def _name(metadata: dict[str, Any]) -> str:
    return str(metadata.get("model") or NOBODY)


def _row(name: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [m for m in told if _name(m) == name]
    judged = [m for m in mine if m.get("agrees") is not None]
    took = sorted(int(m.get("latencyMs") or 0) for m in mine)
    otherwise = Counter(f"{m['planned']} -> {m.get('advised')}" for m in judged if not m["agrees"])
    return {
        "model": name,
        "answers": len(mine),
        "rate": sum(bool(m["agrees"]) for m in judged) / len(judged) if judged else None,
        "shadow": sum(bool(m.get("shadow")) for m in mine),
        "tokensIn": sum(int(m.get("tokensIn") or 0) for m in mine),
        "tokensOut": sum(int(m.get("tokensOut") or 0) for m in mine),
        "medianMs": took[len(took) // 2],
        "worstMs": took[-1],
        "otherwise": dict(otherwise.most_common()),
    }
