"""Carry the plan out: the rounds of faults, over workers that are tended meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.ledger import Tail
from tests.chaos.plan import PUBLISHER, SEATS, Fault, Round
from tests.chaos.seats import Seat, Seats
from tests.support.tcp_proxy import TcpProxy

LOOK = 0.02
GUARD = 20.0
PATIENCE = 5.0
"""How long a fault waits for one whom it can hit."""
STALL = 0.5
"""A nap so much too long: the machine itself stood still, and everybody on it."""


@dataclass(eq=False)
class Monkeys:
    """`publisher`: the proxy of the one that sends. `dice`: for what the plan leaves to the moment."""

    seats: Seats
    publisher: TcpProxy
    dice: random.Random
    _tail: Tail = field(init=False)
    _fresh: dict[tuple[int, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tail = Tail(self.seats.ledger.path)

    def play(self, rounds: list[Round], begins: Callable[[int], object] = lambda _: None) -> None:
        """All rounds; `begins` is told the number of each."""
        for number, a_round in enumerate(rounds):
            self.seats.ledger.write("round", number=number)
            begins(number)
            began = time.monotonic()
            for fault in a_round.faults:
                self.wait(began + fault.after - time.monotonic())
                self._do(fault)
            self.wait(a_round.calm)

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Tend the seats for so long; whether `until` came true before."""
        deadline = time.monotonic() + seconds
        while not until():
            self.seats.tend()
            self._read()
            if time.monotonic() >= deadline:
                return False
            asleep_at = time.monotonic()
            time.sleep(LOOK)
            if (stood := time.monotonic() - asleep_at) > STALL:
                self.seats.ledger.write("stall", seconds=round(stood, 2))
        return True

    def _do(self, fault: Fault) -> None:
        match fault.act:
            case "store":
                self._kill_store(fault.seconds)
            case "cut" if fault.seat == PUBLISHER:
                self.wait(PATIENCE, until=lambda: self.publisher.open > 0)
                self.seats.cut(self.publisher, PUBLISHER, 0)
            case _:
                seat = self._victim(fault.seat, connected=fault.act in ("cut", "hole"))
                if seat is None:
                    return
                match fault.act:
                    case "kill":
                        self.seats.kill(seat, restart_after=self.dice.uniform(0, 0.6))
                    case "stop":
                        self.seats.stop(seat, fault.seconds)
                    case "cut":
                        self.seats.cut(seat.proxy, seat.number, seat.pid)
                    case "hole":
                        self.seats.hole(seat)

    def _kill_store(self, seconds: float) -> None:
        server = self.seats.server
        self.seats.ledger.write("store killed")
        server.stop()
        self.wait(seconds)
        server.start()
        self.seats.ledger.write("store back")

    def _victim(self, wanted: int, *, connected: bool) -> Seat | None:
        """The seat that the plan names, or the next one whose worker runs and isn't guarded; waits a little for one.

        connected: it must have connections to lose.
        """
        found: list[Seat] = []

        def there() -> bool:
            order = [self.seats.seats[(wanted + n) % SEATS] for n in range(SEATS)]
            well = [s for s in order if s.pid in self.seats.up and not s.stopped_until and not self._guarded(s)]
            found[:] = [s for s in well if s.proxy.open > 2 or not connected]
            return bool(found)

        self.wait(PATIENCE, until=there)
        return found[0] if found else None

    def _guarded(self, seat: Seat) -> bool:
        return bool(seat.guarded_since) and time.monotonic() - seat.guarded_since < GUARD + 1

    def _read(self) -> None:
        """What the workers wrote since: who is up, and who consumes again after a black hole."""
        for line in self._tail.lines():
            pid, what = line["pid"], line["is"]
            if what == "up":
                self.seats.up.add(pid)
            elif what in ("take", "wrote", "idle"):
                for seat in self.seats.seats:
                    if seat.pid == pid and seat.guarded_since:
                        self._consumes(seat, line)

    def _consumes(self, seat: Seat, line: dict[str, object]) -> None:
        """Over when it finished a run whose entry it read after the hole, or read that there was nothing to be read."""
        later = float(str(line["t"])) > seat.guarded_since + 0.1
        key = (seat.pid, str(line.get("claim", "")))
        if line["is"] == "take" and not line["again"] and later:
            self._fresh[key] = float(str(line["t"]))
        elif (line["is"] == "idle" and later) or (
            line["is"] == "wrote" and line["op"] == "finish" and key in self._fresh
        ):
            seat.guarded_since = 0.0
            self._fresh.clear()
