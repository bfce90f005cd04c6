"""What the operator of `joelclaw up` sees of a service that ends itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from joelclaw_cli.up.feed import WATCHDOG, Feed

WEDGED = "import faulthandler, time; faulthandler.dump_traceback_later(0.05, exit=True); time.sleep(600)"


def test_stacks_of_the_watchdog_are_told_as_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", WEDGED], capture_output=True, text=True, timeout=60, check=False)
    feed = Feed(as_json=False)
    for line in ended.stderr.splitlines():
        feed.line("router", line)
    lines = capsys.readouterr().out.splitlines()
    assert ended.returncode == 1
    assert WATCHDOG in lines[0], lines
    assert "Timeout (" in lines[1]
    assert sum(WATCHDOG in line for line in lines) == 1
