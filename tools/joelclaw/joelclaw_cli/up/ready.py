"""What is told once everything runs: to other commands, to scripts, to people."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import DEFAULT_STATE

TRY = (
    (
        "joelclaw bus send system/self.healing.requested --data @examples/healing-request.json",
        "ask for healing",
    ),
    ("joelclaw bus tail 'system/*' --since 5m --follow", "watch what happens"),
    ("joelclaw health status", "what is well, and what is not"),
    ("joelclaw heal list", "what is broken, and what is done about it"),
    ("joelclaw otel search system.self-healing.router --hours 1", "the evidence of each decision"),
)


def suite_record(redis_url: str, prefix: str, http: Mapping[str, str]) -> dict[str, Any]:
    """What `suite.json` holds while the suite runs."""
    return {
        "redis_url": redis_url,
        "prefix": prefix,
        "http": dict(http),
        "pid": os.getpid(),
        "started": int(time.time() * 1000),
    }


def ready_text(redis_url: str, http: Mapping[str, str]) -> str:
    """The text of `--ready-file`."""
    return json.dumps({"redis_url": redis_url, "http": dict(http)}) + "\n"


def announcement(redis_url: str, http: Mapping[str, str], state: Path, *, embedded: bool) -> tuple[Answer, list[str]]:
    """(for programs, lines for people)."""
    shown = redis_url if embedded else _without_secret(redis_url)
    result = {"redis_url": shown, "http": dict(http), "state_dir": str(state), "embedded": embedded}
    lines = ["The suite is ready.", "", f"  store     {shown}{'  (embedded)' if embedded else ''}"]
    lines += [f"  {name:<9} {url}/ready  {url}/metrics" for name, url in http.items() if url]
    lines += [f"  state     {state}", "", "Try, in another terminal:", ""]
    width = max(len(does) for _, does in TRY)
    if state != Path(DEFAULT_STATE).expanduser():
        lines.append(f"  {'first, so that it finds this suite':<{width}}  export JOELCLAW_STATE_DIR={state}")
    program = _program()
    lines += [f"  {does:<{width}}  {program}{line.removeprefix('joelclaw')}" for line, does in TRY]
    if embedded:
        port = redis_url.rpartition(":")[2].partition("/")[0]
        lines += [f"  {'any other program':<{width}}  redis-cli -p {port} XADD EVENT '*' data '{{…}}'"]
    return Answer(result, lambda: (), TRY), [*lines, "", "Ctrl-C stops it; what waits is kept."]


def _program() -> str:
    """How this command is called from here: by its name where the shell finds it, else by its path."""
    own = Path(sys.argv[0])
    if own.name != "joelclaw" or shutil.which("joelclaw") is not None:
        return "joelclaw"
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _without_secret(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
