"""The workers' places. Each has a proxy of its own towards the store, a build, and a clock; its worker comes and goes.

Every deed is written into the ledger before or at the moment it is done, by this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy

ROOT = Path(__file__).parents[2]
CLOCK_OFF = 600.0


@dataclass(eq=False)
class Seat:
    """`newer`: which builds its workers have, in turn, one incarnation after the other."""

    number: int
    proxy: TcpProxy
    newer: tuple[bool, ...]
    clock_off: float = 0.0
    schedules: int = 0
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    stopped_until: float = 0.0
    guarded_since: float = 0.0
    """A black hole hit it then, and it must consume again by itself before anything else is done to it."""

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0


@dataclass(eq=False)
class Seats:
    """All seats on one store. `up`: workers that have written that they run, by pid."""

    server: Server
    ledger: Ledger
    build: Path
    lease_ms: int
    seats: list[Seat] = field(default_factory=list)
    up: set[int] = field(default_factory=set)

    def add(self, newer: tuple[bool, ...], *, clock_off: float = 0.0, schedules: int = 0) -> Seat:
        proxy = TcpProxy(self.server.port).start()
        seat = Seat(len(self.seats), proxy, newer, clock_off, schedules)
        self.seats.append(seat)
        return seat

    def start(self, seat: Seat) -> None:
        newer = seat.newer[seat.starts % len(seat.newer)]
        seat.starts += 1
        seat.start_at = 0.0
        seat.process = self.run(
            "tests.chaos.worker",
            *(f"redis://127.0.0.1:{seat.proxy.port}/0", str(self.ledger.path), str(self.lease_ms)),
            *(str(seat.clock_off), str(seat.schedules)),
            newer=newer,
            log=f"worker-{seat.number}.log",
        )
        off = seat.clock_off
        self.ledger.write("start", seat=seat.number, worker=seat.pid, newer=newer, clock_off=off)

    def run(
        self, module: str, *arguments: str, newer: bool = False, log: str = "", listens: bool = False
    ) -> subprocess.Popen[bytes]:
        """A process of this program, on one of the two builds; `listens`: we talk to its standard input."""
        path = os.pathsep.join([*([str(self.build)] if newer else []), os.environ.get("PYTHONPATH", "")])
        with (self.ledger.path.parent / (log or "other.log")).open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def kill(self, seat: Seat, restart_after: float) -> None:
        assert seat.process
        self.ledger.write("kill", seat=seat.number, victim=seat.pid)
        seat.process.kill()
        seat.process.wait(10)
        self._gone(seat, restart_after)

    def roll_out(self) -> None:
        """The rolling update goes on: who had either build in turn has the newer one from now on. What a storm left of
        it begins alone, one run at a time in each newer process: one process has minutes to do with it."""
        for seat in self.seats:
            if len(set(seat.newer)) > 1:
                older = not seat.newer[(seat.starts - 1) % len(seat.newer)]
                seat.newer = (True,)
                if older and seat.process:
                    self.kill(seat, restart_after=0.0)

    def _gone(self, seat: Seat, restart_after: float) -> None:
        seat.process, seat.stopped_until, seat.guarded_since = None, 0.0, 0.0
        seat.start_at = time.monotonic() + restart_after

    def stop(self, seat: Seat, seconds: float) -> None:
        assert seat.process
        seat.process.send_signal(signal.SIGSTOP)
        at = self.ledger.write("stop", seat=seat.number, victim=seat.pid)
        seat.stopped_until = at + seconds

    def wake(self, seat: Seat) -> None:
        assert seat.process
        self.ledger.write("wake", seat=seat.number, victim=seat.pid)
        seat.process.send_signal(signal.SIGCONT)
        seat.stopped_until = 0.0

    def cut(self, proxy: TcpProxy, number: int, pid: int) -> None:
        at = time.monotonic()
        self.ledger.write("cut", seat=number, victim=pid, connections=proxy.cut(), began=at)

    def hole(self, seat: Seat) -> None:
        at = time.monotonic()
        connections = seat.proxy.black_hole()
        seat.guarded_since = self.ledger.write(
            "hole", seat=seat.number, victim=seat.pid, connections=connections, began=at
        )

    def tend(self) -> None:
        """What is due by itself: restarts, wake-ups, and workers that ended themselves."""
        now = time.monotonic()
        for seat in self.seats:
            if seat.process and (code := seat.process.poll()) is not None:
                self.ledger.write("exit", seat=seat.number, victim=seat.pid, code=code)
                self._gone(seat, 0.0)
            if seat.process is None and seat.start_at and now >= seat.start_at:
                self.start(seat)
            if seat.stopped_until and now >= seat.stopped_until:
                self.wake(seat)

    def close(self, graceful: bool) -> None:
        """End every worker and every proxy."""
        self.retire(graceful=graceful)
        for seat in self.seats:
            seat.proxy.stop()
        self.seats.clear()

    def retire(self, *, graceful: bool = True) -> None:
        """End every worker: asked nicely and given some seconds, or at once."""
        for seat in self.seats:
            if seat.process and seat.process.poll() is None:
                seat.process.send_signal(signal.SIGCONT)
                seat.process.send_signal(signal.SIGTERM if graceful else signal.SIGKILL)
        deadline = time.monotonic() + 10
        for seat in self.seats:
            if seat.process:
                try:
                    seat.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    seat.process.kill()
                    seat.process.wait(10)
            seat.process, seat.start_at, seat.stopped_until, seat.guarded_since = None, 0.0, 0.0, 0.0
