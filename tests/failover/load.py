"""A load with an account outside the store: what was acknowledged to whom, and what of it is still true at the end.

| figure            | acknowledged                                  | lost when                                  |
|-------------------|-----------------------------------------------|--------------------------------------------|
| events lost       | `send` returned                               | it has no ended run, and nothing is open   |
| steps lost        | the handler went on after `step.run`          | the step was done once more                |
| ends lost         | the run was told as ended                     | something of it was done after that        |
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from joelclaw_bus import Publisher, Store, StoreRefused, StoreSettings, StoreUnavailable, open_store
from joelclaw_bus.durability import Durability
from joelclaw_bus.run_names import run_id
from tests.support.processes import Line, Workers
from tests.support.worker_process import Done, Job

SENDERS = 4
PAUSE = 0.05
DRAIN = 90.0


@dataclass(frozen=True, slots=True)
class Account:
    level: str
    kills: int
    acknowledged: int
    repeated: int
    events_lost: int
    steps_lost: int
    ends_lost: int
    open_runs: int
    restarts: int
    longest_pause: float

    def lost(self) -> int:
        return self.events_lost + self.steps_lost + self.ends_lost

    def line(self) -> str:
        return (
            f"{self.level:<8} kills {self.kills:>3}  acknowledged {self.acknowledged:>6}  lost: events"
            f" {self.events_lost}, steps {self.steps_lost}, ends {self.ends_lost}  open runs {self.open_runs}  sent"
            f" again {self.repeated}  worker restarts {self.restarts}  longest pause of acknowledged sends"
            f" {self.longest_pause:.1f} s"
        )


class Load:
    """Senders here, workers as processes; `ledger` holds what each of them was told."""

    def __init__(self, url: str, directory: Path, level: str, workers: int = 2, pause: float = PAUSE) -> None:
        self.url, self.level = url, level
        self.ledger = directory / "ledger"
        self.workers = Workers(url, self.ledger, lease_ms=2_000, durability=level)
        self.sent: list[tuple[float, str]] = []
        self.repeated = 0
        self._count, self._pause = workers, pause
        self._stop = False

    async def run(self, trouble: Callable[[], None], kills: int) -> Account:
        """`trouble` kills and mends once; it is called in a thread while the load goes on."""
        for _ in range(self._count):
            self.workers.start()
        try:
            await self.workers.wait(self._count, started=True)
            where = StoreSettings(self.url, deadline=2.0, durability=Durability(self.level))
            async with open_store(where) as store:
                async with anyio.create_task_group() as tasks:
                    for sender in range(SENDERS):
                        tasks.start_soon(self._send_for_ever, Publisher(store), sender)
                    for _ in range(kills):
                        await self._progress()
                        await anyio.to_thread.run_sync(trouble)
                    await self._progress()
                    self._stop = True
                left = await self._drained(store)
                restarts = sum(1 for p in self.workers.processes if p.poll() is not None)
                return self._account(kills, left, restarts, await self._without_end(store))
        finally:
            self.workers.stop()

    async def _send_for_ever(self, publisher: Publisher, sender: int) -> None:
        """Each event until it is acknowledged: the same id again and again."""
        number = 0
        while not self._stop:
            name = f"sender{sender}.{number}"
            while True:
                try:
                    await publisher.send(Job(name=name), id=name)
                    break
                except (StoreUnavailable, StoreRefused):
                    self.repeated += 1
                    await anyio.sleep(0.05)
            self.sent.append((time.monotonic(), name))
            number += 1
            await anyio.sleep(self._pause)

    async def _progress(self) -> None:
        """Until sends are acknowledged and runs end again: workers resumed without anybody's help."""
        sent, ended = len(self.sent), len(self._ended())
        with anyio.fail_after(60):
            while len(self.sent) < sent + 40 or len(self._ended()) < ended + 20:  # noqa: ASYNC110  processes, no event
                await anyio.sleep(0.1)

    def _ended(self) -> list[Line]:
        return self.workers.where(fact="RunEnded", status="completed")

    async def _drained(self, store: Store) -> int:
        """Waits until nothing is open and all that was sent was read; how many runs stay open."""
        slot = store.keys.slot(Job.event_name)
        left = -1
        with anyio.move_on_after(DRAIN):
            while left != 0:
                await anyio.sleep(0.3)
                try:
                    open_runs, groups, outbox = await store.calls(
                        [("ZCARD", slot.open), ("XINFO", "GROUPS", slot.stream), ("ZCARD", slot.outbox)]
                    )
                    (group,) = [dict(zip(row[::2], row[1::2], strict=True)) for row in groups]
                    left = open_runs + outbox + group[b"pending"] + (group[b"lag"] or 0)
                except (StoreUnavailable, StoreRefused, TypeError, ValueError):
                    continue
        assert await store.call("XLEN", store.keys.slot(Done.event_name).stream) > 0
        return int(left)

    async def _without_end(self, store: Store) -> list[str]:
        """The acknowledged events whose run nobody saw end, and of which the store knows no end either."""
        told = {line["run"].partition(":")[2] for line in self._ended()}
        slot = store.keys.slot(Job.event_name)
        silent = [name for _, name in self.sent if name not in told]
        states = await store.calls(("HGET", slot.run(run_id("test/work", name)), "state") for name in silent)
        return [name for name, state in zip(silent, states, strict=True) if state != b"ended"]

    def _account(self, kills: int, left: int, restarts: int, lost: list[str]) -> Account:
        lines = self.workers.lines()
        pauses = [b[0] - a[0] for a, b in zip(self.sent, self.sent[1:], strict=False)]
        steps, ends = lost_of(lines)
        return Account(
            level=self.level,
            kills=kills,
            acknowledged=len(self.sent),
            repeated=self.repeated,
            events_lost=len(lost),
            steps_lost=steps,
            ends_lost=ends,
            open_runs=left,
            restarts=restarts,
            longest_pause=max(pauses, default=0.0),
        )


def lost_of(lines: list[Line]) -> tuple[int, int]:
    """(steps done again by a begin that came after their record was told, runs begun again after their end was told).

    A begin from before is no loss: it is one whose lease went to another, and the fence refuses what it writes.
    """
    recorded: dict[tuple[str, str], float] = {}
    ended: dict[str, float] = {}
    begun: dict[tuple[str, int], float] = {}
    again: set[tuple[str, str]] = set()
    after_end: set[str] = set()
    for line in sorted(lines, key=lambda line: float(line["at"])):
        run, at = str(line.get("run") or line.get("name") or "").rpartition(":")[2], float(line["at"])
        match line.get("fact", line.get("act")):
            case "StepRecorded":
                recorded.setdefault((run, line["step"]), at)
            case "RunEnded":
                ended.setdefault(run, at)
            case "RunStarted":
                begun[run, line["pid"]] = at
                if run in ended:
                    after_end.add(run)
            case "one" | "two" | "three" as step:
                if begun[run, line["pid"]] > recorded.get((run, step), float("inf")):
                    again.add((run, step))
    return len(again), len(after_end)


def write_figure(account: Account, path: str | None = os.environ.get("FAILOVER_FIGURES")) -> None:
    """One line for people, and for a file where one is wanted."""
    print(account.line(), flush=True)
    if path:
        with open(path, "a") as file:
            file.write(json.dumps({k: getattr(account, k) for k in account.__slots__}) + "\n")
