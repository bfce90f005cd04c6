"""What is told once everything runs: to other commands, to scripts, to people."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joelclaw_bus.address import read_address, without_secret
from joelclaw_bus.state_directory import StateDirectory, write_atomically
from joelclaw_cli.answer import Answer
from joelclaw_cli.command import DEFAULT_STATE
from joelclaw_cli.failures import usage

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


READY_FIX = "name a file that joelclaw up may write: joelclaw up --ready-file FILE"


class ReadyFile:
    """The file of `--ready-file`: never in the place of what is not ours, and taken away only while it is ours."""

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()
        self._told: str | None = None

    def claim(self) -> None:
        """Take an earlier suite's away, which would lie. Failure where anything else is there, or no directory."""
        if not self._path.parent.is_dir():
            raise usage(f"--ready-file: there is no directory {self._path.parent}", fix="make it first")
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise usage(f"--ready-file: {self._path} can't be looked at ({error.strerror})", fix=READY_FIX) from error
        if not stat.S_ISREG(mode) or not _is_ours(self._content()):
            raise usage(
                f"--ready-file: {self._path} is there, and is no ready file",
                fix="name a file that does not exist; it would be replaced, and removed at the end",
            )
        try:
            self._path.unlink()
        except OSError as error:
            raise usage(f"--ready-file: {self._path} can't be replaced ({error.strerror})", fix=READY_FIX) from error

    def tell(self, text: str) -> bool:
        """Write it, whole. False if somebody has put something else there meanwhile: that stays."""
        there = self._content() if os.path.lexists(self._path) else None
        if there is not None and there != self._told:
            return False
        write_atomically(self._path, text)
        self._told = text
        return True

    def remove(self) -> None:
        if self._told is not None and self._content() == self._told:
            self._path.unlink(missing_ok=True)

    def _content(self) -> str:
        """What it holds; a NUL for what can't be a ready file."""
        try:
            if not stat.S_ISREG(self._path.lstat().st_mode) or self._path.stat().st_size > 65_536:
                return "\0"
            return self._path.read_text("utf-8")
        except (OSError, ValueError):
            return "\0"


def _is_ours(text: str) -> bool:
    """What `ready_text` writes, or what `mktemp` makes."""
    if not text:
        return True
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and set(told) == {"redis_url", "http"}


def suite_record(redis_url: str, prefix: str, http: Mapping[str, str]) -> dict[str, Any]:
    """What `suite.json` holds while the suite runs. A password is not kept: whoever has one gives it by REDIS_URL."""
    public = without_secret(redis_url)
    return {
        "redis_url": public,
        "login": public != redis_url,
        "prefix": prefix,
        "http": dict(http),
        "pid": os.getpid(),
        "started": int(time.time() * 1000),
    }


def ready_text(redis_url: str, http: Mapping[str, str]) -> str:
    """The text of `--ready-file`; without a password, which whoever gave it has already."""
    return json.dumps({"redis_url": without_secret(redis_url), "http": dict(http)}) + "\n"


def new_directory(state: StateDirectory, *, embedded: bool) -> str:
    """What is said of one that was not there: of a misspelt one nobody wants a suite that knows nothing."""
    near = [StateDirectory(path) for path in sorted(state.path.parent.iterdir()) if path != state.path]
    names = [str(one.path) for one in near if one.is_one]
    like = difflib.get_close_matches(str(state.path), names, n=1, cutoff=0.8)
    what = f"{state.path} is a NEW state directory" + (", and its store is EMPTY" if embedded else "")
    other = f"did you mean {like[0]}? Then stop this" if like else "if you meant one that is there, stop this"
    return f"{what}; {other}, and give its path by --state-dir"


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
    return read_address(url).shown  # a query may hold a sentinel's password
