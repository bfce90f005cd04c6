"""Processes with another clock than ours, by libfaketime. Their monotonic clocks stay true, as in real life."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest


def _library() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        missing = "libfaketime is not installed: nothing is tried with a wrong clock"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return str(found[0])


def shifted(by: str) -> Mapping[str, str]:
    """An environment in which the clock is off: `+5m`, `-1m`."""
    return {"LD_PRELOAD": _library(), "FAKETIME": by, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class SetClock:
    """A clock that is set while its process runs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0m")
        self.env: Mapping[str, str] = {
            **{name: value for name, value in shifted("").items() if name != "FAKETIME"},
            **{"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"},
        }

    def set(self, by: str) -> None:
        """`+1m`: from now on a minute ahead of the true time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(by + "\n")
        fresh.replace(self._file)
