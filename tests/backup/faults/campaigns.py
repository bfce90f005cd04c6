"""The campaigns of kills, a row of the table each: what is killed, where the copies go, what must hold after each."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.backup.conftest import AT_ONCE
from tests.backup.faults.bench import Bench
from tests.backup.faults.copy_kills import Resumed, kill_copies
from tests.backup.faults.kills import Killed, kill_at_random_points, kill_by_way_of_the_queue
from tests.backup.faults.places import tmpfs
from tests.backup.faults.ssh_table import served
from tests.backup.faults.typesense_kills import kill_typesense
from tests.support.server import Server

ROOM = 256 * 1024 * 1024


@dataclass(frozen=True)
class Campaign:
    """`do` makes so many kills, drawn by a seed. part: of those that are asked for, where another row tries
    the same way as well."""

    name: str
    do: Callable[[Bench, int, int], Killed]
    kind: str = "mount"
    part: float = 1.0

    def share(self, count: int) -> int:
        """How many kills it makes where so many are asked for."""
        return max(1, round(count * self.part))

    def run(self, count: int, seed: int, until: float = math.inf) -> Killed:
        """On a bench of its own; fewer, which is a miss, where the time is up before (`until`, monotonic)."""
        count = self.share(count)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True)))
            source = Server(folder / "source", aof=False, options=AT_ONCE)
            stack.callback(source.stop)
            bench = Bench(source.start(), folder / "bench", self.kind)
            if self.kind == "mount":
                stack.enter_context(tmpfs(bench.root, ROOM))
            bench.until = until
            told = self.do(bench, count, seed)
            if told.kills < count:
                told.misses.append(f"only {told.kills} of {count} kills were made")
            return told


def _over_ssh(bench: Bench, count: int, seed: int) -> Killed:
    with served(bench):
        return kill_at_random_points(bench, count, seed)


def _its_client(bench: Bench, count: int, seed: int) -> Killed:
    return kill_copies(bench, count, seed)


def _its_far_end(bench: Bench, count: int, seed: int) -> Killed:
    return kill_copies(bench, count, seed, ("sftp-server", "sshd"))


def _typesense_over_ssh(bench: Bench, count: int, seed: int) -> Killed:
    with served(bench):
        return kill_typesense(bench, count, seed)


def _typesense_by_queue(bench: Bench, count: int, seed: int) -> Killed:
    return kill_typesense(bench, count, seed, by_queue=True)


CAMPAIGNS = (
    Campaign("redis to a mount", kill_at_random_points),
    Campaign("redis over ssh", _over_ssh, "directory"),
    Campaign("redis by way of the queue", kill_by_way_of_the_queue),
    Campaign("a copy over ssh, gone on with", _its_client, "directory"),
    Campaign("sftp-server and sshd under a copy", _its_far_end, "directory"),
    Campaign("typesense to a mount", kill_typesense),
    Campaign("typesense over ssh", _typesense_over_ssh, "directory", part=0.25),
    Campaign("typesense by way of the queue", _typesense_by_queue, part=0.25),
)


def about(told: Killed) -> str:
    """What came of one, for the table."""
    if isinstance(told, Resumed):
        return f"{told.ended} copies came to their end; {told.resent:,} of {told.there:,} bytes there were sent again"
    return f"{told.stored} ended before; killed in: {', '.join(f'{n} {what}' for what, n in told.where.most_common())}"
