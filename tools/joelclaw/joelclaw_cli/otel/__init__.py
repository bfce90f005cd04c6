"""`joelclaw otel`: the evidence that every decision leaves, on the stream `otel/event`."""

from __future__ import annotations

from joelclaw_cli.command import Group

otel = Group(
    "otel",
    help="The evidence that every decision leaves.",
    lazy={
        "search": (f"{__name__}.search:search", "Evidence that holds a text."),
        "list": (f"{__name__}.search:list_evidence", "The latest evidence."),
        "stats": (f"{__name__}.stats:stats", "How much of what, and how much of it failed."),
        "emit": (f"{__name__}.emit:emit", "Leave a piece of evidence."),
    },
    examples=[
        ("joelclaw otel search system.self-healing.router --hours 1", "what the router decided in the last hour"),
        ("joelclaw otel list --level error", "the latest errors"),
        ("joelclaw otel stats --hours 24", "the last day, counted"),
    ],
)
