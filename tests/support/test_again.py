"""The second look at what failed in CI: it lets chance pass, never a fault, and never in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import FEW
from tests.support import outcomes

ROOT = Path(__file__).parents[2]
FAILS_ON = """
from pathlib import Path

def test_it():
    count = Path("count")
    count.write_text(count.read_text() + "." if count.exists() else ".")
    assert len(count.read_text()) != {look}
"""


SKIPPED = "import pytest\n\ndef test_it():\n    pytest.skip('a part is missing')\n"


def looked_again(folder: Path, *failed: str, end: str = "END\n") -> subprocess.CompletedProcess[str]:
    (folder / "ended").write_text("passed a\n" + "".join(f"failed {test}\n" for test in failed) + end)
    return subprocess.run(
        [sys.executable, "-m", "tests.again", "ended"],
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
    assert "no chance" in ran.stdout
    assert len((tmp_path / "count").read_text()) == look, "the first failure ends it"


@pytest.mark.parametrize(
    ("failed", "end"),
    [([], "END\n"), ([f"test_it.py::test_{n}" for n in range(FEW + 1)], "END\n"), (["test_it.py::test_it"], "")],
)
def test_a_run_that_broke_and_a_crowd_of_failures_get_no_second_look(tmp_path, failed, end):
    ran = looked_again(tmp_path, *failed, end=end)
    assert ran.returncode == 1
    assert "look 1" not in ran.stdout


@pytest.mark.parametrize("text", ["", SKIPPED])
def test_a_test_that_is_gone_or_skipped_passes_nothing(tmp_path, text):
    (tmp_path / "test_it.py").write_text(text)
    assert looked_again(tmp_path, "test_it.py::test_it").returncode == 1


ENDS = """
import pytest

def test_good():
    pass

def test_bad():
    assert 0

@pytest.fixture
def unclean():
    yield
    assert 0

def test_unclean(unclean):
    pass

def test_skipped():
    pytest.skip()
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_test_s_end_is_told_and_that_all_have_run(tmp_path, workers):
    (tmp_path / "test_it.py").write_text(ENDS)
    told = ended(tmp_path, workers)
    assert told == (["test_it.py::test_bad", "test_it.py::test_unclean"], ["test_it.py::test_good"], True)


def test_the_configuration_is_that_of_the_tests_wherever_the_list_is_written(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "pytest.ini").write_text("[pytest]\npython_functions = check_*\n")
    (here / "test_it.py").write_text("def check_it():\n    pass\n")
    options = ["-n", "0", "-p", "tests.support.outcomes", f"--outcomes={there / 'ended'}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=here, env=env, check=False)
    assert outcomes.read(there / "ended") == ([], ["test_it.py::check_it"], True)


def test_a_run_that_broke_tells_no_end(tmp_path):
    breaks = "\n\ndef test_later():\n    pytest.exit('broken', 3)\n"
    (tmp_path / "test_it.py").write_text(ENDS + breaks)
    failed, _, complete = ended(tmp_path, "0")
    assert (failed[0], complete) == ("test_it.py::test_bad", False)


def ended(folder: Path, workers: str) -> tuple[list[str], list[str], bool]:
    options = ["-n", workers, "-p", "tests.support.outcomes", f"--outcomes={folder / 'ended'}", "."]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=folder, env=env, check=False)
    return outcomes.read(folder / "ended")
