"""The short form of `make chaos`: the same program, fewer of everything, every figure asserted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_figure_holds_under_a_minute_of_chaos() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--short"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as program:
        try:
            told, _ = program.communicate(timeout=280)
        finally:
            if program.poll() is None:  # with all its workers and its store
                os.killpg(program.pid, signal.SIGKILL)
    assert program.returncode == 0, told
    assert " ok" in told
    assert "MISS" not in told
