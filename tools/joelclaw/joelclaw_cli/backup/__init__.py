"""`joelclaw backup`: make one, list them, prove one again."""

from __future__ import annotations

from joelclaw_cli.command import Group

backup = Group(
    "backup",
    help="Backups: make one, list them, prove one again.",
    lazy={
        "run": (f"{__name__}.run:run", "Make a backup now."),
        "list": (f"{__name__}.show:list_artefacts", "Every copy at the destination, newest verified first."),
        "verify": (f"{__name__}.show:verify", "Read a copy again, all of it, and compare it with its manifest."),
    },
    examples=[
        ("joelclaw backup run redis --wait", "make one and wait for the proof"),
        ("joelclaw backup list", "what there is, and whether it is verified"),
        ("joelclaw backup verify latest", "read the newest one again, byte by byte"),
    ],
)
