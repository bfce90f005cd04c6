"""The options that every act has: why, without asking, and only to look."""

from __future__ import annotations

import click

from joelclaw_cli.words import PROSE

reason_option = click.option("--reason", required=True, type=PROSE, help="Why, for whoever looks next.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
