"""`joelclaw heal`: incidents, and the kill switch."""

from __future__ import annotations

from joelclaw_cli.command import Group

heal = Group(
    "heal",
    help="Incidents, and the kill switch of the self-healing.",
    lazy={
        "list": (f"{__name__}.incidents:list_incidents", "What is broken, and what is done about it."),
        "show": (f"{__name__}.incidents:show", "One incident and its timeline."),
        "replay": (f"{__name__}.whatif:replay", "Decide an incident again from its audit, and compare."),
        "simulate": (f"{__name__}.whatif:simulate", "What another configuration would have decided."),
        "advice": (f"{__name__}.advice:advice", "How often the models agree with the policy, and what they cost."),
        "dismiss": (f"{__name__}.dismiss:dismiss", "Say that an incident is over."),
        "ack": (f"{__name__}.person:ack", "Say that you have seen a page."),
        "approve": (f"{__name__}.person:approve", "Allow the retry that an incident asks about."),
        "retry": (f"{__name__}.person:retry", "Order a retry now."),
        "pause": (f"{__name__}.pause:pause", "Stop new acts on a scope for a time."),
        "resume": (f"{__name__}.pause:resume", "End a pause before its time."),
        "stop": (f"{__name__}.switch:stop", "Stop all acting: retries, holds, restarts."),
        "start": (f"{__name__}.switch:start", "Let it act again."),
    },
    examples=[
        ("joelclaw heal list", "what is broken, and what is done about it"),
        ("joelclaw heal stop --reason 'moving the NAS'", "no retry, hold or restart until it is started again"),
    ],
)
