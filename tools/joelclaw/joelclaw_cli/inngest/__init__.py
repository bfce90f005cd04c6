"""`joelclaw inngest`: the runtime, by the name that runbooks and playbooks know it by."""

from __future__ import annotations

from joelclaw_cli.command import Group

inngest = Group(
    "inngest",
    help="The runtime: how it is, and its guarded restart.",
    lazy={
        "status": (f"{__name__}.status:status", "Whether the store answers, who works, and how the runtime is."),
        "restart-worker": (f"{__name__}.restart_worker:restart_worker", "Ask for a guarded restart of the runtime."),
    },
    examples=[
        ("joelclaw inngest status", "store, workers, runtime"),
        ("joelclaw inngest restart-worker --register --wait-ms 1500", "restart it if it is confirmed to fail"),
    ],
)
