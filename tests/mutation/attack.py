"""Does it to a throw-away copy of the package, and lets the tests find out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutant import Mutant

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "libs" / "bus" / "joelclaw_bus"
MODEL = "tests/model/test_model.py"
MODEL_STEPS = 6_000
TESTS_PASSED, TESTS_FAILED = 0, 1
LONGEST = 600
"""Seconds, for tests that a mutant keeps waiting."""


class Unfit(Exception):
    """A mutant that mutates nothing, or tests that could not be run: no answer at all."""


@dataclass(frozen=True)
class Verdict:
    """`by`: the first test that failed, '' when none did."""

    by: str
    seconds: float


def mutated(mutant: Mutant | None, directory: Path) -> Path:
    """A copy of the package with this one change, under `directory`; Unfit when the text is not there exactly once."""
    copy = directory / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant:
        file = copy / mutant.file
        before = file.read_text("utf-8")
        found = before.count(mutant.text)
        if found != 1:
            raise Unfit(f"{mutant.name}: its text stands in {mutant.file} {found} times, and should once")
        file.write_text(before.replace(mutant.text, mutant.replacement), "utf-8")
    return copy


def attack(copy: Path, tests: Sequence[str], *, steps: int = MODEL_STEPS) -> Verdict:
    """Runs tests of the work tree against the copy, on the plain server alone, until the first one fails."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"MODEL_STEPS": str(steps), "MODEL_SEED": "1", "MODEL_SHRINK": "0"}
    _check_that_the_copy_is_imported(copy, environment)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-rfE", "--tb=no", "-k", "not cluster and not redis"]
    try:
        done = subprocess.run(
            [*command, *tests], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict(f"no end within {LONGEST} s", time.monotonic() - began)
    seconds = time.monotonic() - began
    if done.returncode == TESTS_PASSED:
        return Verdict("", seconds)
    failed = re.search(r"^(?:FAILED|ERROR) (?:\S*/)?(\S+)", done.stdout, re.MULTILINE)
    if done.returncode != TESTS_FAILED or not failed:
        raise Unfit(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return Verdict(failed[1], seconds)


def _check_that_the_copy_is_imported(copy: Path, environment: dict[str, str]) -> None:
    code = "import joelclaw_bus; print(joelclaw_bus.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    if Path(done.stdout.strip()).parent != copy:
        raise Unfit(f"the tests would import {done.stdout.strip()}, and not the copy in {copy}")
