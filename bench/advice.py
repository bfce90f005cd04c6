"""1,000 scripted answers of a model, through the desk: what was decided, and how late beyond the model's deadline.

    python -m bench.advice [--answers 1000] [--deadline-ms 300]

Answers are right, wrong, slow, silent, malformed, injected, of a foreign model id, with a route of their own. Then the
same desk with the model off, and with nobody listening there. Ends with 1 when an act left the table, or a decision was
later than its deadline and 100 ms.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from tests.router.conftest import healing
from tests.router.test_advice import scripted_answers
from tests.support.scripted_model import Reply, scripted_model
from tests.support.server import Server

from joelclaw_bus import StoreSettings, open_store
from joelclaw_contracts.config import Budgets, Config, RouterKnobs
from joelclaw_healing import Ledger, Voice
from joelclaw_router.advice.adviser import Adviser
from joelclaw_router.advice.client import ModelClient
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.rulebook import Rulebook

KNOBS = RouterKnobs(sleep_min_ms=1, sleep_max_ms=30, sleep_step_ms=1)
CONFIG = Config(healing_router=KNOBS, budgets=Budgets(all_retries_per_hour=10_000, storm_targets=0))
TABLE = {"retry-within-budget", "hold-advised-by-model", "escalation-advised-by-model"}
LATE_MS, AT_ONCE = 100.0, 1
NOBODY = "http://127.0.0.1:9/v1"


@dataclass
class Figures:
    rules: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    over: list[float] = field(default_factory=list)
    """ms beyond the model's deadline, from the question to the decision."""
    agreed: list[bool] = field(default_factory=list)
    tokens: int = 0

    def show(self, what: str) -> bool:
        """Prints them; whether all is as it must be."""
        outside = {rule: n for rule, n in self.rules.items() if rule not in TABLE}
        over = sorted(self.over)
        rate = f"agreement {sum(self.agreed) / len(self.agreed):.0%} of {len(self.agreed)}, " if self.agreed else ""
        acts = f"{self.rules.total()} decisions, {sum(outside.values())} outside the table"
        print(f"{what}: {acts}; {dict(self.said)}")
        late = sum(ms > LATE_MS for ms in over)
        print(f"  {rate}{self.tokens} tokens")
        worst = f"p99 {over[int(0.99 * len(over))]:.0f} ms, worst {over[-1]:.0f} ms"
        print(f"  beyond the deadline: {worst}, {late} above {LATE_MS:g}")
        return not outside and not late


async def trials(url: str, address: str | None, count: int, deadline: float, first: int) -> Figures:
    figures, room = Figures(), anyio.CapacityLimiter(AT_ONCE)
    async with open_store(StoreSettings(url)) as store:
        desk = Desk(Ledger(store), Bench(Rulebook(CONFIG), Voice("bench")), lambda: 0.5)

        async def trial(number: int) -> None:
            async with room:
                # A new breaker each time, so that each answer is heard.
                advisers = {"": Adviser(ModelClient(address, ""), ("o3",), deadline)} if address else {}
                mine = Desk(desk.ledger, desk.bench, desk.dice, advisers)
                request = healing(f"{number}-0", targetComponent=f"t{number}")
                began = time.monotonic()
                heard = await mine.consult(request)
                outcome = await mine.decide(request, heard)
                figures.over.append((time.monotonic() - began - deadline) * 1000)
                figures.rules[outcome["rule"]] += 1
                figures.said[heard.get("rule", "not asked")] += 1
                figures.tokens += heard.get("tokens_in", 0) + heard.get("tokens_out", 0)
                if heard.get("advice"):
                    figures.agreed.append(heard["advice"]["action"] == heard["planned"])

        async with anyio.create_task_group() as tasks:
            for number in range(first, first + count):
                tasks.start_soon(trial, number)
    return figures


def main(answers: int, deadline: float) -> int:
    dice = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        server = Server(Path(folder) / "store", aof=False).start()
        try:

            def reply(_: object) -> Reply:
                return Reply(wait=2 * deadline) if dice.random() < 0.1 else scripted_answers(dice)

            with scripted_model(reply) as model:
                good = anyio.run(trials, server.url, model.url, answers, deadline, 0).show("scripted")
            few = max(20, answers // 10)
            good &= anyio.run(trials, server.url, None, few, deadline, answers).show("model off")
            good &= anyio.run(trials, server.url, NOBODY, few, deadline, 2 * answers).show("nobody listens")
        finally:
            server.stop()
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--answers", type=int, default=1_000, help="so many")
    parser.add_argument("--deadline-ms", type=float, default=300.0, help="what a model may take for its answer")
    asked = parser.parse_args()
    sys.exit(main(asked.answers, asked.deadline_ms / 1000))
