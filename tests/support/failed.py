"""A pytest plugin for what must know which tests failed: `--list-failed FILE` writes their ids there, one a line."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--list-failed", type=Path, default=None, metavar="FILE", help="write the failed tests' ids there")


def pytest_configure(config: pytest.Config) -> None:
    where: Path | None = config.getoption("--list-failed")
    if where is not None and not hasattr(config, "workerinput"):  # a worker of xdist has its reports told by its master
        config.pluginmanager.register(_Failed(where))


class _Failed:
    """Writes as it goes: what was told stands there, however the run ends."""

    def __init__(self, where: Path) -> None:
        self._where = where
        where.write_text("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            with self._where.open("a") as file:
                file.write(report.nodeid + "\n")
