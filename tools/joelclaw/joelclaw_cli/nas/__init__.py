"""`joelclaw nas`: the configuration, and the place of the backups. The word is the predecessor's; runbooks use it."""

from __future__ import annotations

from joelclaw_cli.command import Group

config = Group(
    "config",
    help="The configuration, and where each value comes from.",
    lazy={
        "reload": (f"{__name__}.reload:reload", "Let the running services read it again."),
        "show": (f"{__name__}.show:show", "What is set, and from where."),
        "check": (f"{__name__}.check:check", "Everything that is wrong with it."),
        "init": (f"{__name__}.init:init", "Write a configuration file with every default."),
    },
    examples=[
        ("joelclaw nas config show", "what is set here"),
        ("joelclaw nas config check", "everything that is wrong with it"),
        ("joelclaw nas config reload", "the services here read it again"),
        ("joelclaw nas config init", "write a file to start from"),
    ],
)

nas = Group(
    "nas",
    help="The configuration, and where each value comes from.",
    lazy={
        "status": (
            f"{__name__}.status:status",
            "The place where backups are kept: whether it can be used now, its room, and what lies there.",
        ),
    },
    examples=[
        ("joelclaw nas status", "can backups be kept now, and is there room"),
        ("joelclaw nas config show --effective", "every value in force, with its origin"),
        ("joelclaw nas config init", "write a file to start from"),
    ],
)
nas.add_command(config)
