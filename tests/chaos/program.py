"""The whole of it: the part with the runs, the part with the ticks, and a look at the store after each."""

from __future__ import annotations

import math
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from joelclaw_bus.keys import Keys
from tests.chaos import look, plan
from tests.chaos.builds import newer_build
from tests.chaos.ledger import Ledger
from tests.chaos.load import SCHEDULES_PER_FUNCTION, TICKS
from tests.chaos.monkeys import Monkeys
from tests.chaos.plan import Sizes, draw
from tests.chaos.seats import CLOCK_OFF, Seats
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy

FSYNC = "always"
"""What is acknowledged is on disk then. `everysec` would not do: while a slow fsync is under way the server answers
before it has written, for up to 2 s, and a SIGKILL loses that (decision record 0058)."""
START = 20.0
TICKS_MAY_LAG = 45.0


class Chaos:
    """One run of the program, in a directory of its own."""

    def __init__(self, directory: Path, sizes: Sizes, seed: int, say: Callable[[str], None]) -> None:
        self.directory, self.sizes, self.seed, self.say = directory, sizes, seed, say
        self.ledger = Ledger(directory / "ledger")
        self.server = Server(directory / "store", options=("--appendfsync", FSYNC))
        self.build = newer_build(directory / "newer")

    def run(self) -> None:
        """Everything; what happened stands in the ledger afterwards."""
        self.ledger.write("begins", seed=self.seed, sizes=asdict(self.sizes))
        self.server.start()
        try:
            self._runs()
            self._ticks()
        finally:
            self.server.stop()
            self.ledger.close()

    @contextmanager
    def _part(self, name: str) -> Iterator[Seats]:
        """Workers that come and go; at the end they stop, and the store is looked at."""
        self.ledger.write("part", name=name)
        seats = Seats(self.server, self.ledger, self.build, self.sizes.lease_ms)
        ended = False
        try:
            yield seats
            ended = True
        finally:
            seats.close(graceful=ended)
        with self.server.client() as client:
            self.ledger.write("look", **look.last_look(client))

    def _runs(self) -> None:
        rounds = draw(plan.with_spare(self.sizes), self.seed)
        seconds = sum(r.calm + max((f.after for f in r.faults), default=0.0) for r in rounds)
        self.say(f"{self.sizes.runs} runs over {seconds:.0f} s of faults, seed {self.seed}")
        with self._part("runs") as seats, self._publisher(seats, seconds) as (publisher, proxy):
            seats.add((False,))
            seats.add((True,))
            seats.add((False, True), clock_off=CLOCK_OFF)
            monkeys = self._staffed(seats, proxy)
            publisher.append(self._publish(seats, proxy, seconds))
            monkeys.play(rounds, lambda n: self._allow(publisher[0], (n + 1) / len(rounds)))
            self.say("no more faults; waiting for everything to end")
            seats.roll_out()
            monkeys.wait(self.sizes.drain, until=lambda: publisher[0].poll() is not None and self._quiet())

    def _staffed(self, seats: Seats, proxy: TcpProxy) -> Monkeys:
        """Start all workers and wait until they are up."""
        for seat in seats.seats:
            seats.start(seat)
        monkeys = Monkeys(seats, proxy, random.Random(self.seed))
        if not monkeys.wait(START, until=lambda: all(s.pid in seats.up for s in seats.seats)):
            raise RuntimeError(f"the workers did not start; see {self.directory}/worker-*.log")
        return monkeys

    @contextmanager
    def _publisher(self, seats: Seats, seconds: float) -> Iterator[tuple[list[subprocess.Popen[bytes]], TcpProxy]]:
        """Room for the publisher's process, and its proxy."""
        proxy = TcpProxy(self.server.port).start()
        processes: list[subprocess.Popen[bytes]] = []
        try:
            yield processes, proxy
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait(10)
            proxy.stop()

    def _publish(self, seats: Seats, proxy: TcpProxy, seconds: float) -> subprocess.Popen[bytes]:
        sizes = self.sizes
        return seats.run(
            "tests.chaos.publisher",
            *(f"redis://127.0.0.1:{proxy.port}/0", str(self.ledger.path), str(self.seed)),
            *(str(sizes.runs), str(sizes.runs / seconds), str(sizes.poisons)),
            log="publisher.log",
            listens=True,
        )

    def _allow(self, publisher: subprocess.Popen[bytes], share: float) -> None:
        """So much of all runs may be published by now. One that has ended has published all."""
        assert publisher.stdin
        with suppress(BrokenPipeError):
            publisher.stdin.write(f"{math.ceil(share * self.sizes.runs)}\n".encode())
            publisher.stdin.flush()

    def _quiet(self) -> bool:
        with self.server.client() as client:
            return look.is_quiet(client)

    def _ticks(self) -> None:
        sizes = self.sizes
        rounds = draw(plan.of_the_ticks(sizes), self.seed + 1)
        self.say(f"{sizes.schedules} schedules at a tick a second for {sizes.tick_seconds} s, three schedulers")
        proxy = TcpProxy(self.server.port).start()  # nobody publishes: a cut of it meets nothing
        try:
            with self._part("ticks") as seats:
                for off in (0.0, 0.0, CLOCK_OFF):
                    seats.add((False,), clock_off=off, schedules=sizes.schedules)
                monkeys = self._staffed(seats, proxy)
                if not monkeys.wait(START, until=lambda: len(self._marks()) == sizes.schedules):
                    raise RuntimeError(f"the schedules were not registered; see {self.directory}/worker-*.log")
                after = max(self._marks()) // 1000 * 1000 + 1000
                began = time.monotonic()
                monkeys.play(rounds)
                monkeys.wait(sizes.tick_seconds + 2 - (time.monotonic() - began))
                through = after + sizes.tick_seconds * 1000
                monkeys.wait(TICKS_MAY_LAG, until=lambda: min(self._marks(), default=0) >= through)
                self.ledger.write("span", after=after, through=through)
                seats.retire()
                for seat in seats.seats:
                    seat.schedules = -sizes.schedules
                    seats.start(seat)
                monkeys.wait(sizes.drain, until=self._all_handled)
        finally:
            proxy.stop()

    def _tick_slots(self) -> list[str]:
        count = -(-self.sizes.schedules // SCHEDULES_PER_FUNCTION)
        return [f"{TICKS}-{n}" for n in range(count)]

    def _marks(self) -> list[int]:
        """How far each schedule has come, ms."""
        with self.server.client() as client:
            return [
                int(value)
                for function in self._tick_slots()
                for name, value in client.hgetall(Keys().cron_slot(function).cron).items()
                if name.endswith(b":mark")
            ]

    def _all_handled(self) -> bool:
        """Whether every tick that was enqueued is acknowledged."""
        streams = [Keys().cron_slot(function).stream for function in self._tick_slots()]
        with self.server.client() as client:
            return not any(what["count"] for stream in streams for what in look.groups_of(client, stream))


def load_average() -> str:
    one, five, _ = os.getloadavg()
    return f"machine load {one:.1f} (1 min), {five:.1f} (5 min) on {os.cpu_count()} cores"
