"""How far a transfer is, for whoever asks meanwhile: a small file beside what is staged, at most twice a second."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

OFTEN = 0.5
OLD = 600.0
"""Seconds without a change after which it is what a crash left."""


def progress_file(staging: Path, target: str) -> Path:
    return staging / f"progress-{target}.json"


@contextmanager
def telling(file: Path, what: str, artefact: str, mode: str, total: int) -> Iterator[Callable[[int], None]]:
    """Call it with how many bytes were handled since the last call. Trouble with the file is none of the transfer's."""
    began, done, said = time.time(), 0, 0.0

    def told(count: int) -> None:
        nonlocal done, said
        done += count
        if time.monotonic() - said >= OFTEN:
            said = time.monotonic()
            _write(file, {"what": what, "id": artefact, "mode": mode, "done": done, "total": total, "began": began})

    try:
        yield told
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def read_progress(file: Path) -> dict[str, Any] | None:
    """{"what", "id", "mode", "doneBytes", "totalBytes", "bytesPerSecond", "remainingSeconds"} of the transfer that is
    under way; None when there is none."""
    try:
        at = file.stat().st_mtime
        told = json.loads(file.read_text())
        if time.time() - at > OLD:
            return None
        done, total, rate = told["done"], told["total"], told["done"] / max(0.001, at - told["began"])
        return {
            "what": told["what"],
            "id": told["id"],
            "mode": told["mode"],
            "doneBytes": done,
            "totalBytes": total,
            "bytesPerSecond": round(rate),
            "remainingSeconds": round(max(0, total - done) / rate, 1) if rate else None,
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, told: dict[str, Any]) -> None:
    temporary = file.with_suffix(".new")
    with suppress(OSError):
        temporary.write_text(json.dumps(told))
        os.replace(temporary, file)
