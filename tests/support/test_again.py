"""The second look at what failed in CI: it lets chance pass, never a fault, and never in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import FEW

ROOT = Path(__file__).parents[2]
FAILS_ON = """
from pathlib import Path

def test_it():
    count = Path("count")
    count.write_text(count.read_text() + "." if count.exists() else ".")
    assert len(count.read_text()) != {look}
"""


def looked_again(folder: Path, *failed: str) -> subprocess.CompletedProcess[str]:
    (folder / "failed").write_text("".join(f"{test}\n" for test in failed))
    return subprocess.run(
        [sys.executable, "-m", "tests.again", "failed"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_holds_from_now_on_was_a_chance_and_is_named(tmp_path):
    (tmp_path / "test_it.py").write_text(FAILS_ON.format(look=0))
    ran = looked_again(tmp_path, "test_it.py::test_it", "test_it.py::test_it")
    assert ran.returncode == 0, ran.stdout
    assert "UNSTABLE, mend it: test_it.py::test_it" in ran.stdout
    assert (tmp_path / "count").read_text() == "....."


@pytest.mark.parametrize("look", [1, 2])
def test_what_fails_once_more_is_red(tmp_path, look):
    (tmp_path / "test_it.py").write_text(FAILS_ON.format(look=look))
    ran = looked_again(tmp_path, "test_it.py::test_it")
    assert ran.returncode == 1
    assert "failed again" in ran.stdout
    assert len((tmp_path / "count").read_text()) == look, "the first failure ends it"


@pytest.mark.parametrize("failed", [[], [f"test_it.py::test_{n}" for n in range(FEW + 1)]])
def test_a_run_that_broke_and_a_crowd_of_failures_get_no_second_look(tmp_path, failed):
    ran = looked_again(tmp_path, *failed)
    assert ran.returncode == 1
    assert "look 1" not in ran.stdout


def test_a_test_that_is_gone_passes_nothing(tmp_path):
    (tmp_path / "test_it.py").write_text("")
    assert looked_again(tmp_path, "test_it.py::test_it").returncode == 1


def test_the_list_names_what_failed_and_nothing_else(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_good():\n    pass\n\ndef test_bad():\n    assert 0\n")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "-p", "tests.support.failed", "--list-failed", "failed", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (tmp_path / "failed").read_text() == "test_it.py::test_bad\n"
