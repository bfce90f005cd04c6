"""What deciding costs: the pure page by itself, and requests from their stream to their announcement.

    python -m bench.decide [--rate 500] [--seconds 10]

One router and one publisher in this process, a real Valkey of its own; requests for ever new targets (each opens an
incident, is judged, charged, and answered), not delayed. "Announced" is when the answer's entry stands on its stream:
both moments are the server's own, from the ids of the two entries. Ends with 1 when a request has no answer or two.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass

import anyio

from bench.own_store import own_store
from bench.requests import healing_request
from joelclaw_bus import Store, StoreSettings, WorkerSettings, open_store
from joelclaw_contracts import Budgets as BudgetConfig
from joelclaw_contracts import Config
from joelclaw_healing import Incident, State, Voice
from joelclaw_router.failure import Budgets, Failure, Policy, Surroundings
from joelclaw_router.policy import decide
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.service import worker_of

REQUESTED, COMPLETED = "system/self.healing.requested", "system/self.healing.completed"
NOW = 1_700_000_000_000
PURE, ROUNDS = 20_000, 5
LIMIT_US, LIMIT_MS = 50.0, 10.0


def pure() -> float:
    """Microseconds a decision: the page's longest way, to a retry, with six outages to weigh; best of some rounds."""
    failure, policy = Failure("d", "t", route="x/y"), Policy()
    incident = Incident("i", "d", "t", State.OPEN, 1, NOW, NOW, attempt=1)
    around = Surroundings(outages=tuple(NOW - n * 86_000_000 for n in range(6, 0, -1)), failing=1)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for n in range(PURE):
            decide(failure, incident, Budgets(1, 5), now=NOW + n, policy=policy, dice=0.5, around=around)
        best = min(best, (time.perf_counter() - began) / PURE * 1e6)
    return best


@dataclass(frozen=True)
class Measured:
    """Milliseconds from request to answer, ascending; and what went wrong."""

    waits: list[float]
    seconds: float
    lost: int
    doubled: int

    def at(self, share: float) -> float:
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


async def announced(store: Store, rate: int, seconds: float) -> Measured:
    """Sends for so long at this rate, and reads afterwards when each request came and when its answer did."""
    plenty = BudgetConfig(all_retries_per_hour=10_000, storm_targets=0)
    worker = worker_of(store, Rulebook(Config(budgets=plenty)), Voice("router", "bench"), settings=WorkerSettings())
    stop, count = anyio.Event(), round(rate * seconds)
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await worker.run(stop=stop, grace=5)

        tasks.start_soon(run)
        await _send(store, 50, 50)  # so that scripts are loaded and groups are there
        await _answers(store, 50)
        gc.collect()
        began = time.perf_counter()
        await _send(store, count, rate, first=50)
        await _answers(store, 50 + count)
        took = time.perf_counter() - began
        stop.set()
    sent = {id: _ms(id) for id, _ in await _entries(store, REQUESTED)}
    came = [(data["eventId"], _ms(id)) for id, data in await _entries(store, COMPLETED) if "eventId" in data]
    counts = Counter(id for id, _ in came)
    waits = sorted(at - sent[id] for id, at in came if id in sent)
    return Measured(waits, took, len(set(sent) - set(counts)), sum(n > 1 for n in counts.values()))


async def _send(store: Store, count: int, rate: int, first: int = 0) -> None:
    """Steadily; a sender that is late catches up, as a burst would."""
    began = time.perf_counter()
    for n in range(count):
        ahead = n / rate - (time.perf_counter() - began)
        if ahead > 0:
            await anyio.sleep(ahead)
        data = json.dumps(healing_request("bench", f"t{first + n}"))
        await store.call("XADD", REQUESTED, "*", "data", data)


async def _answers(store: Store, count: int) -> None:
    with anyio.fail_after(120):
        while await store.call("XLEN", COMPLETED) < count:  # noqa: ASYNC110  what we wait for happens in the store
            await anyio.sleep(0.05)


async def _entries(store: Store, stream: str) -> list[tuple[str, dict[str, str]]]:
    rows = await store.call("XRANGE", stream, "-", "+")
    return [(id.decode(), json.loads(dict(zip(f[::2], f[1::2], strict=True))[b"data"])) for id, f in rows]


def _ms(id: str) -> float:
    return float(id.partition("-")[0])


async def measured(url: str, rate: int, seconds: float) -> Measured:
    async with open_store(StoreSettings(url)) as store:
        return await announced(store, rate, seconds)


def main(rate: int, seconds: float) -> int:
    cost = pure()
    print(f"pure page: {cost:.1f} us a decision ({'within' if cost <= LIMIT_US else 'above'} {LIMIT_US:g} us)")
    with own_store() as own:
        got = anyio.run(measured, own.url, rate, seconds)
    told = f"{len(got.waits)} requests, {rate}/s asked, {len(got.waits) / got.seconds:.0f}/s answered"
    print(f"decided and announced: p50 {got.at(0.5):.0f} ms, p99 {got.at(0.99):.0f} ms, worst {got.waits[-1]:.0f} ms")
    print(f"{told}; limit at p99 {LIMIT_MS:g} ms; lost {got.lost}, doubled {got.doubled}")
    return 1 if got.lost or got.doubled else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=int, default=500, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="for so long")
    asked = parser.parse_args()
    sys.exit(main(asked.rate, asked.seconds))
