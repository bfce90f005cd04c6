"""`joelclaw up`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from joelclaw_cli.command import DEFAULT_STATE, DIRECTORY, command, wants_json


@command(
    "up",
    progress=False,
    examples=[
        ("joelclaw up", "a store of its own and every service; Ctrl-C stops them"),
        ("REDIS_URL=redis://cache:6379/0 joelclaw up", "on a Redis or Valkey that already runs"),
        ("joelclaw up --state-dir DIR --port 0 --ready-file FILE", "for scripts: FILE appears once all is ready"),
    ],
)
@click.option("--redis-url", envvar="REDIS_URL", help="Use this store (REDIS_URL) instead of an embedded one.")
@click.option(
    "--state-dir",
    type=DIRECTORY,
    envvar="JOELCLAW_STATE_DIR",
    default=DEFAULT_STATE,
    show_default=True,
    help="Where data, locks and logs lie (JOELCLAW_STATE_DIR).",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The embedded store's port; 0 is any. Default: the last run's, else 6380, else any.",
)
@click.option("--prefix", envvar="JOELCLAW_PREFIX", default="", help="Put before every key (JOELCLAW_PREFIX).")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help='Write {"redis_url", "http": {service: url}} here once everything is ready; removed at the end.',
)
@click.option("--http-host", default="127.0.0.1", show_default=True, help="Where services serve /ready and /metrics.")
def up(
    redis_url: str | None, state_dir: Path, port: int | None, prefix: str, ready_file: Path | None, http_host: str
) -> None:
    """Run the suite here: a store and every service.

    A service that dies is started again. Without REDIS_URL an embedded store (a real Valkey server) keeps its data in
    the state directory; it listens on 127.0.0.1 without a password, so that any program here can send events.
    """
    import anyio

    from joelclaw_cli.place import checked_url
    from joelclaw_cli.up.feed import Feed
    from joelclaw_cli.up.findings import findings
    from joelclaw_cli.up.plan import Plan
    from joelclaw_cli.up.suite import Suite

    plan = Plan(
        state_dir=state_dir,
        redis_url=checked_url(redis_url) if redis_url else None,
        port=port,
        prefix=prefix,
        ready_file=ready_file,
        http_host=http_host,
        environ=dict(os.environ),
        findings=findings(os.environ, Path.home()),
    )
    anyio.run(Suite(plan, Feed(as_json=wants_json())).run)
