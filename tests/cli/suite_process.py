"""A suite with stand-in services, as a process of its own: `python suite_process.py PLAN-JSON`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio

from joelclaw_cli.failures import failure_of
from joelclaw_cli.up.feed import Feed
from joelclaw_cli.up.plan import Plan
from joelclaw_cli.up.services import Service
from joelclaw_cli.up.suite import Suite


def main() -> int:
    told = json.loads(sys.argv[1])
    plan = Plan(
        state_dir=Path(told["state_dir"]),
        port=0,
        ready_file=Path(told["ready_file"]),
        environ=dict(os.environ),
        services=[Service(name, "", "", (sys.executable, "-c", code)) for name, code in told["services"].items()],
        grace=told.get("grace", 5.0),
    )
    try:
        anyio.run(Suite(plan, Feed(as_json=True)).run)
    except Exception as error:
        failure = failure_of(error)
        print(f"error: {failure.message}", file=sys.stderr)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
