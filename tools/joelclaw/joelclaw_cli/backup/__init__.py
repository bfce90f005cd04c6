"""`joelclaw backup`: make one, list them, prove one again, restore one, let old ones go."""

from __future__ import annotations

from joelclaw_cli.command import Group

backup = Group(
    "backup",
    help="Backups: make one, list them, prove one again.",
    lazy={
        "run": (f"{__name__}.run:run", "Make a backup now."),
        "list": (f"{__name__}.show:list_artefacts", "Every copy at the destination, newest verified first."),
        "show": (f"{__name__}.show:show", "All that is known of a copy."),
        "verify": (f"{__name__}.show:verify", "Read a copy again, all of it, and compare it with its manifest."),
        "drill": (
            f"{__name__}.drill:drill",
            "Restore a copy in a throwaway server, and compare it with what its source held.",
        ),
        "restore": (f"{__name__}.restore:restore", "Put a copy's files into a directory, and read them there again."),
        "queue": (f"{__name__}.queue:queue", "What waits on this disk for a way to the NAS."),
        "prune": (f"{__name__}.prune:prune", "Let go of the copies that retention does not keep."),
    },
    examples=[
        ("joelclaw backup run redis --wait", "make one and wait for the proof"),
        ("joelclaw backup list", "what there is, and whether it is verified"),
        ("joelclaw backup verify latest", "read the newest one again, byte by byte"),
        ("joelclaw backup drill --latest redis", "prove that it restores"),
        ("joelclaw backup queue", "what could not be brought to the NAS yet"),
    ],
)
