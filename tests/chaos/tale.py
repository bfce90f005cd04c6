"""A small, healthy ledger, told by hand: what the judge's own tests spoil, one sin at a time."""

from __future__ import annotations

from typing import Any

from tests.chaos.load import TICKS, WORK
from tests.chaos.plan import Sizes

Line = dict[str, Any]

SIZES = Sizes(
    runs=4,
    kills=1,
    stops=1,
    store_kills=1,
    cuts=1,
    holes=1,
    poisons=1,
    rounds=1,
    schedules=2,
    tick_seconds=2,
    judged_takeovers=2,
    stale_writes=1,
)
JOBS = "chaos/job"
STEPS = ("one", "two", "three")


class Tale:
    """Lines in the making. Three workers: 100, 101 (the newer build) and 102."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def tell(self, t: float, pid: int, what: str, **more: Any) -> None:
        self.lines.append({"t": t, "pid": pid, "is": what, **more})

    def find(self, **like: Any) -> list[Line]:
        return [line for line in self.lines if all(line.get(k) == v for k, v in like.items())]

    def one(self, **like: Any) -> Line:
        [line] = self.find(**like)
        return line

    def drop(self, **like: Any) -> None:
        gone = self.find(**like)
        assert gone, like
        self.lines = [line for line in self.lines if line not in gone]

    def take(self, t: float, pid: int, claim: str, entry: str, *, again: bool = False, at: str = JOBS) -> None:
        self.tell(t, pid, "take", at=at, entry=entry, again=again, claim=claim)

    def begin(self, t: float, pid: int, claim: str, run: str, *, known: tuple[str, ...] = (), begins: int = 0) -> None:
        now = round(t * 1000)
        self.tell(t, pid, "begin", run=run, claim=claim, now=now, begins=begins, known=list(known), form=1)

    def step(self, t: float, pid: int, claim: str, run: str, step: str) -> None:
        token = f"{claim}-{step}"
        self.tell(t, pid, "act", run=run, claim=claim, step=step, token=token)
        self.tell(t + 0.01, pid, "wrote", op="step", run=run, claim=claim, step=step, kept=f'"{token}"')

    def end(self, t: float, pid: int, claim: str, run: str, results: dict[str, str]) -> None:
        self.tell(t, pid, "handled", run=run, claim=claim, results=results)
        self.tell(t + 0.01, pid, "wrote", op="finish", run=run, claim=claim, status="completed", error="")
        self.tell(t + 0.02, pid, "drop", at=JOBS, entry="?", claim=claim)

    def whole(self, t: float, pid: int, claim: str, entry: str, event_id: str) -> None:
        """One run from its acknowledged event to its end, in one pair of hands."""
        run = f"{WORK}:{event_id}"
        self.tell(t - 0.1, 50, "acked", id=event_id, kind=event_id.split("-")[0], entry=entry, twice=False)
        self.take(t, pid, claim, entry)
        self.begin(t + 0.01, pid, claim, run)
        self.tell(t + 0.02, pid, "handler", run=run, claim=claim, now=round(t * 1000), due=round(t * 1000) - 5)
        for n, step in enumerate(STEPS):
            self.step(t + 0.1 + n / 10, pid, claim, run, step)
        self.end(t + 0.5, pid, claim, run, {s: f"{claim}-{s}" for s in STEPS})

    def orphan(self, t: float, claims: tuple[str, str], entry: str, event_id: str, *, after: float) -> None:
        """A run that 100 begins and loses at 10.0, and 101 takes over so much later."""
        run, (first, second) = f"{WORK}:{event_id}", claims
        self.tell(t - 0.1, 50, "acked", id=event_id, kind="plain", entry=entry, twice=False)
        self.take(t, 100, first, entry)
        self.begin(t + 0.01, 100, first, run)
        self.step(t + 0.1, 100, first, run, "one")
        taken = 10.0 + after
        self.take(taken, 101, second, entry, again=True)
        self.begin(taken + 0.01, 101, second, run, known=("one",), begins=1)
        for n, step in enumerate(("two", "three")):
            self.step(taken + 0.1 + n / 10, 101, second, run, step)
        results = {"one": f"{first}-one", "two": f"{second}-two", "three": f"{second}-three"}
        self.end(taken + 0.5, 101, second, run, results)


def healthy() -> Tale:
    """Everything as it should be: two takeovers, a poison, one of each fault, two schedules."""
    tale = Tale()
    tale.tell(0.0, 1, "part", name="runs")
    for pid in (100, 101, 102):
        tale.tell(0.1, 1, "start", seat=pid - 100, worker=pid, newer=pid == 101, clock_off=600.0 * (pid == 102))
        tale.tell(0.5, pid, "up", build=1 + (pid == 101))
    tale.whole(4.0, 100, "a1", "1-0", "plain-1")
    tale.orphan(9.5, ("b1", "b2"), "2-0", "plain-2", after=3.1)
    tale.orphan(9.6, ("c1", "c2"), "3-0", "plain-3", after=3.2)
    tale.tell(10.0, 1, "kill", seat=0, victim=100)
    tale.tell(13.5, 100, "refused", op="step", run=f"{WORK}:plain-2", claim="b1", why="lease")
    tale.whole(15.0, 102, "d1", "4-0", "sends-4")
    tale.tell(16.0, 1, "stop", seat=2, victim=102)
    tale.tell(19.6, 1, "wake", seat=2, victim=102)
    tale.tell(20.0, 1, "cut", seat=2, victim=102, connections=5, began=20.0)
    tale.tell(21.0, 1, "store killed")
    tale.tell(21.5, 1, "store back")
    tale.tell(30.0, 1, "hole", seat=1, victim=101, connections=5, began=30.0)
    tale.whole(32.0, 101, "e1", "5-0", "plain-5")
    tale.tell(33.0, 50, "acked", id="poison-6", kind="poison", entry="6-0", twice=False)
    tale.tell(
        *(40.0, 1, "look"),
        **{"unrest": [], "leftovers": [], "twice": [], "ticks": {}, "done": [f"{JOBS}|{WORK}:sends-4:done"]},
        buried=[{"run": f"{WORK}:poison-6", "error": "poisoned"}],
    )
    _ticks(tale)
    return tale


def _ticks(tale: Tale) -> None:
    tale.tell(50.0, 1, "part", name="ticks")
    ids = [f"{number}@{at}" for number in range(2) for at in (52_000, 53_000)]
    for n, pid in enumerate((200, 201, 202)):
        tale.tell(50.1, 1, "start", seat=n, worker=pid, newer=False, clock_off=0.0)
        tale.tell(50.5, pid, "up", build=1)
        tale.tell(51.0, pid, "enqueues")
    for n, tick in enumerate(ids):
        run, claim, t = f"{TICKS}-0:{tick}", f"t{n}", 53.1 + n / 10
        tale.take(t, 200, claim, f"{n}-0", at=f"cron/{TICKS}-0")
        tale.begin(t + 0.01, 200, claim, run)
        tale.tell(t + 0.02, 200, "handled", run=run, claim=claim, tick=tick)
        tale.tell(t + 0.03, 200, "wrote", op="finish", run=run, claim=claim, status="completed", error="")
    tale.tell(55.0, 1, "span", after=51_000, through=53_000)
    ticks = {f"cron/{TICKS}-0": dict.fromkeys(ids, 1)}
    tale.tell(56.0, 1, "look", unrest=[], leftovers=[], twice=[], done=[], buried=[], ticks=ticks)
