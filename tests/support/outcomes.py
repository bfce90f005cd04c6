"""A pytest plugin for what must know how each test ended: `--outcomes=FILE` writes a line for each, as it ends.

With `=`: pytest looks for its configuration before it knows the option, and takes a word that stands alone for a place
where tests are.

`passed ID`, `failed ID`; a skipped test is neither. The last line, `END`, stands there only when all that was to run
has run: a run that broke has none.
"""

from __future__ import annotations

from pathlib import Path

import pytest

END = "END"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, default=None, metavar="FILE", help="write there how each test ended")


def pytest_configure(config: pytest.Config) -> None:
    where: Path | None = config.getoption("--outcomes")
    if where is not None and not hasattr(config, "workerinput"):  # a worker of xdist has its reports told by its master
        config.pluginmanager.register(_Outcomes(where))


class _Outcomes:
    def __init__(self, where: Path) -> None:
        self._where = where
        where.write_text("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or (report.passed and report.when == "call"):
            self._write(f"{report.outcome} {report.nodeid}")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self._write(END)

    def _write(self, line: str) -> None:
        with self._where.open("a") as file:
            file.write(line + "\n")


def read(file: Path) -> tuple[list[str], list[str], bool]:
    """(failed, passed, whether all has run). A test that passed and then could not be cleaned up after has failed."""
    lines = file.read_text().splitlines() if file.exists() else []
    failed, passed = (
        sorted({line.removeprefix(f"{outcome} ") for line in lines if line.startswith(f"{outcome} ")})
        for outcome in ("failed", "passed")
    )
    return failed, sorted(set(passed) - set(failed)), lines[-1:] == [END]
