"""`joelclaw nas`: the configuration. The word is the predecessor's; runbooks use it."""

from __future__ import annotations

from joelclaw_cli.command import Group

config = Group(
    "config",
    help="The configuration, and where each value comes from.",
    lazy={
        "show": (f"{__name__}.show:show", "What is set, and from where."),
        "init": (f"{__name__}.init:init", "Write a configuration file with every default."),
    },
    examples=[
        ("joelclaw nas config show", "what is set here"),
        ("joelclaw nas config init", "write a file to start from"),
    ],
)

nas = Group(
    "nas",
    help="The configuration, and where each value comes from.",
    examples=[
        ("joelclaw nas config show --effective", "every value in force, with its origin"),
        ("joelclaw nas config init", "write a file to start from"),
    ],
)
nas.add_command(config)
