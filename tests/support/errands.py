"""Pieces of work for `killable`, importable in its child."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path


def counting(numbers: int) -> Generator[int, None, tuple[int, int]]:
    """Yields 1, 2, …; (its process, their sum)."""
    yield from range(1, numbers + 1)
    return os.getpid(), sum(range(numbers + 1))


def hanging(pid_file: Path) -> Generator[int, None, None]:
    """Like a call to a dead share: it does not come back."""
    pid_file.write_text(str(os.getpid()))
    yield 1
    time.sleep(3600)


def failing(error: Exception) -> Generator[int, None, None]:
    yield 1
    raise error


def dying() -> Generator[int, None, None]:
    yield 1
    os.kill(os.getpid(), signal.SIGKILL)


def writing_for_ever(file: Path) -> Generator[int, None, None]:
    with file.open("ab", buffering=0) as out:
        while True:
            yield out.write(b"x" * 1000)
            time.sleep(0.005)


def warned() -> Generator[None, None, None]:
    """As asyncio does, again and again, where a connection is lost."""
    logging.getLogger("asyncio").warning("socket.send() raised exception.")
    yield
