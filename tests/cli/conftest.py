"""The command in this process, as programs and as people see it, on a real store."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.server import Server

from joelclaw_cli.root import run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Said:
    """What one command line said. `envelope` is for programs, `out` for people. `progress`: the lines of stderr that
    say that it goes on, which any command has on a busy machine."""

    code: int
    out: str
    err: str
    progress: str = ""

    @property
    def envelope(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out)
        return told

    @property
    def result(self) -> Any:
        assert self.envelope["ok"], self.out
        return self.envelope["result"]

    @property
    def error(self) -> str:
        assert not self.envelope["ok"], self.out
        return str(self.envelope["error"]["code"])


def call(*words: str, people: bool = False) -> Said:
    """Run a command line here; `people`: as on a terminal."""
    out, err = Terminal() if people else io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(words))
    lines = err.getvalue().splitlines(keepends=True)
    progress = [line for line in lines if re.fullmatch(r"… joelclaw .*: \d+ s\n", line)]
    return Said(code, out.getvalue(), "".join(line for line in lines if line not in progress), "".join(progress))


Cli = Callable[..., Said]


@pytest.fixture
def cli(one_server: Server, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command on an empty store."""
    monkeypatch.setenv("REDIS_URL", one_server.url)
    monkeypatch.setenv("COLUMNS", "200")
    return call
