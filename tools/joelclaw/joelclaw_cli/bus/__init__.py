"""`joelclaw bus`: events, streams, runs, what is due, dead letters."""

from __future__ import annotations

from joelclaw_cli.command import Group

bus = Group(
    "bus",
    help="Events, streams, runs, what is due, dead letters.",
    lazy={
        "send": (f"{__name__}.send:send", "Send an event, now or later."),
        "tail": (f"{__name__}.tail:tail", "The latest events, or events as they come."),
        "streams": (f"{__name__}.streams:streams", "Length, readers, lag, what waits, what died."),
        "runs": (f"{__name__}.runs:runs", "Runs of functions, the latest first."),
        "run": (f"{__name__}.runs:run", "One run in full: steps, attempts, error."),
        "cancel": (f"{__name__}.cancel:cancel", "End an open run, or many."),
        "pause": (f"{__name__}.hold:pause", "Hold a function back."),
        "resume": (f"{__name__}.hold:resume", "Let a paused function go on."),
        "pauses": (f"{__name__}.hold:pauses", "The functions that are paused."),
        "explain": (f"{__name__}.explain:explain", "Why a run isn't moving, in one line, and what to do."),
        "due": (f"{__name__}.due:due", "What waits for its time."),
        "dead": (f"{__name__}.dead:dead", "Dead letters: what could not be read, and what no attempt could mend."),
    },
    examples=[
        ("joelclaw bus tail 'system/*' --since 5m", "what happened lately"),
        ("joelclaw bus streams", "who reads what, and who lags"),
        ("joelclaw bus explain shop/ship:order-1", "why a run isn't moving"),
        ("joelclaw bus dead list", "what could not be handled"),
    ],
)
