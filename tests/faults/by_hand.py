"""The long forms, each on a store of its own: `python -m tests.faults.by_hand NAME [COUNT]`, `make faults-long`.

| name    | what is measured                                                                   |
|---------|------------------------------------------------------------------------------------|
| trim    | F5: three groups, one stopped, a million events                                    |
| runs    | F6: a million runs, windows of ten seconds                                          |
| storm   | F9: 200,000 events due at once, with a canary                                       |
| silence | F1: how soon a silent store is seen, and how soon work goes on, at the defaults      |
| poison  | F12: what the others get done while one process after the other is frozen           |
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from tests.faults import growth, poison_cost, silence, storm, trimming
from tests.support.server import Server

Form = Callable[[Server, int], Awaitable[int]]
FORMS: dict[str, tuple[Form, int]] = {
    "trim": (lambda server, count: trimming.main(server.url, count), 1_000_000),
    "runs": (lambda server, count: growth.main(server.url, count), 1_000_000),
    "storm": (lambda server, count: storm.main(server.port, count), 200_000),
    "silence": (lambda server, count: silence.main(server, count), 12),
    "poison": (lambda server, count: poison_cost.main(server, count), 4_000),
}


def main(name: str, count: int | None = None) -> int:
    form, default = FORMS[name]
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory) / "store", options=("--appendfsync", "everysec")).start()
        try:
            return anyio.run(form, server, count or default)
        finally:
            server.stop()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None))
