"""Processes to be killed that are there at once: forked from one that has loaded the program already.

`python -m tests.support.victims` reads a line of JSON for each, `["module:function", [words…], log]`, forks, and
answers with its process id; what the call prints goes to its log. One that has ended is taken leave of when the next
is asked for, so that nobody else has its number meanwhile. It ends when stdin does, and whoever still lives with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

PRELOADED = ("anyio._backends._asyncio", "redis.asyncio", "joelclaw_backup.redis_backup")


@dataclass(frozen=True)
class Victim:
    """One process that runs a call. `fd` is a handle on it."""

    pid: int
    fd: int
    log: Path

    def is_alive(self) -> bool:
        return not select.select([self.fd], [], [], 0)[0]

    def said(self) -> list[str]:
        return self.log.read_text().split()

    def until(self, there: Callable[[], bool], seconds: float = 120.0) -> None:
        """Waits for it, or for its end. AssertionError when neither comes."""
        end = time.monotonic() + seconds
        while self.is_alive() and not there():
            assert time.monotonic() < end, f"it never came to that; it said {self.log.read_text()[-2000:]}"
            time.sleep(0.001)

    def end(self, *, kill: bool = True, seconds: float = 120.0) -> list[str]:
        """Killed, or waited for; what it had said."""
        if kill:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, signal.SIGKILL)
        ended = bool(select.select([self.fd], [], [], seconds)[0])
        os.close(self.fd)
        assert ended, f"it did not end; it said {self.log.read_text()[-2000:]}"
        return self.said()


class Victims:
    """Where they come from."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, call: str, words: list[str], log: Path) -> Victim:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([call, words, str(log)]) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        return Victim(pid, os.pidfd_open(pid), log)


@contextmanager
def victims() -> Iterator[Victims]:
    """While the block lasts they may be asked for."""
    argv = [sys.executable, "-m", "tests.support.victims"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Victims(process)
        assert process.stdin is not None
        process.stdin.close()


def _fork(call: str, words: list[str], log: str) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:  # the child never comes back from here
        out = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        module, _, name = call.partition(":")
        getattr(import_module(module), name)(*words)
        code = 0
    except BaseException:  # whatever it is, its log tells it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _reap(alive: set[int]) -> None:
    with suppress(ChildProcessError):
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            alive.discard(ended)


if __name__ == "__main__":
    for module in PRELOADED:
        import_module(module)
    answers = os.fdopen(os.dup(1), "w")
    alive = set[int]()
    for line in sys.stdin:
        _reap(alive)
        alive.add(pid := _fork(*json.loads(line)))
        answers.write(f"{pid}\n")
        answers.flush()
    _reap(alive)
    for pid in alive:  # whoever asked for them broke off
        os.kill(pid, signal.SIGKILL)
