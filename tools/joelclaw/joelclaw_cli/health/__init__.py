"""`joelclaw health`: what is well, and what is not."""

from __future__ import annotations

from joelclaw_cli.command import Group

health = Group(
    "health",
    help="What is well, and what is not.",
    lazy={
        "status": (f"{__name__}.status:status", "What the last checks found."),
        "check": (f"{__name__}.check:check", "Check now, and show what was found."),
    },
    examples=[
        ("joelclaw health status", "what the last checks found; exit code 1 when something is failing"),
        ("joelclaw health check", "check now"),
    ],
)
