"""A month of incidents, recorded by the real desk on a clock of its own, then tried under another configuration.

    python -m bench.what_if [--days 30] [--incidents 120]

The month begins so many days ago, so that `joelclaw heal simulate --since` finds it: what is shown in the end is that
command's own answer, and how long it took. Ends with 1 when the present configuration does not retell what happened.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.model.virtual import VirtualStore, finished

from bench.own_store import own_store
from bench.requests import healing_request
from joelclaw_contracts import BackupFailureDetected, HealingRequested
from joelclaw_contracts.config import Config
from joelclaw_healing import Ledger, Voice, close_incident
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.replies import iso
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook

MINUTE, DAY = 60_000, 86_400_000
TARGETS = [("gateway-bridge", f"bridge-{n}") for n in range(6)] + [("webhooks", f"hook-{n}") for n in range(6)]
CHANGED = {
    "selfHealing": {"router": {"maxRetries": 3, "sleepMinMs": 60_000, "sleepMaxMs": 900_000}},
    "budgets": {"stormTargets": 0},
}
FOREVER = 10**6


@dataclass
class Month:
    """What happens to the desk: outages that one of the retries mends, or none."""

    store: VirtualStore
    dice: random.Random
    number: int = 0
    rules: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store)
        self.desk = Desk(self.ledger, Bench(Rulebook(Config()), Voice("bench")), self.dice.random)

    def outage(self) -> None:
        """Until it is over, or a person has it; then a person ends it an hour later."""
        domain, target = self.dice.choice(TARGETS)
        backup = self.dice.random() < 0.2
        mended_after = self.dice.choice([0, 1, 1, 2, 3, FOREVER])
        retries, outcome = 0, self._report(backup, domain, target)
        while outcome["act"] is not None:
            self._until(outcome["act"]["due_ms"])
            outcome = finished(self.desk.due(outcome["incident"], outcome["act"]["decision"]))
            if outcome["rule"] != "handed-over":
                continue
            retries += 1
            if retries > mended_after:
                self._until(self.store.now_ms + self.dice.randrange(MINUTE))
                finished(close_incident(self.ledger, outcome["incident"], by="probe", detail="well", voice=Voice("b")))
                return
            self._until(self.store.now_ms + self.dice.randrange(1, MINUTE))
            outcome = self._report(backup, domain, target)
        self._until(self.store.now_ms + 60 * MINUTE)
        finished(close_incident(self.ledger, outcome["incident"], by="ann", detail="well", voice=Voice("b")))

    def _report(self, backup: bool, domain: str, target: str) -> dict[str, Any]:
        self.number += 1
        if backup:
            error = self.dice.choice(["Connection refused", "gremlins", "No space left on device"])
            wire = {"targetFunctionId": "system/backup.redis", "target": "redis", "error": error, "attempt": 0}
            data: Any = BackupFailureDetected.from_wire({**wire, "backupFailureDetectedAt": iso(self.store.now_ms)})
        else:
            data = HealingRequested.from_wire(healing_request(domain, target))
        outcome: dict[str, Any] = finished(self.desk.decide(Request(data.event_name, f"{self.number}-0", "", data)))
        self.rules.append(outcome["rule"])
        return outcome

    def _until(self, ms: int) -> None:
        finished(self.store.advance(max(0, ms - self.store.now_ms)))


def main(days: int, incidents: int) -> int:
    with own_store() as own, tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        return tried(own.url, Path(folder), days, incidents)


def tried(url: str, folder: Path, days: int, incidents: int) -> int:
    now = round(time.time() * 1000)
    store = VirtualStore(url, now - days * DAY + DAY // 2)
    month, began = Month(store, random.Random(30)), time.monotonic()
    try:
        for n in range(incidents):
            month.outage()
            month._until(now - days * DAY + DAY // 2 + (n + 1) * (days - 1) * DAY // incidents)
    finally:
        finished(store.close())
    print(f"{incidents} outages in {days} days, {month.number} reports, recorded in {time.monotonic() - began:.1f} s")
    changed = folder / "changed.json"
    changed.write_text(json.dumps(CHANGED))
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "REDIS_URL": url}
    command = [sys.executable, "-m", "joelclaw_cli", "heal", "simulate"]
    command += ["--config", str(changed), "--since", f"{days}d"]
    began = time.monotonic()
    done = subprocess.run([*command, "--json"], env=env, capture_output=True, text=True, timeout=120, check=False)
    took = time.monotonic() - began
    if done.returncode:
        print(done.stdout, done.stderr)
        return done.returncode
    told = json.loads(done.stdout)["result"]
    print(f"{'':10} {'retries':>8} {'pauses':>8} {'pages':>8} {'recovered':>10} {'mean recovery':>14}")
    for name, sums in told["totals"].items():
        mean = f"{(sums['mean_recovery_ms'] or 0) / MINUTE:.1f} min"
        print(f"{name:10} {sums['retries']:8} {sums['pauses']:8} {sums['pages']:8} {sums['recovered']:10} {mean:>14}")
    rows = told["incidents"]
    differ = sum(row["present"] != row["changed"] for row in rows)
    print(f"{len(rows)} incidents, {differ} differ; retold as they were: {told['faithful']}")
    print(f"the command took {took:.1f} s")
    return 0 if told["faithful"] >= 0.95 * len(rows) and not told["unreadable"] else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=int, default=30, help="how long the month is")
    parser.add_argument("--incidents", type=int, default=120, help="outages in it")
    asked = parser.parse_args()
    sys.exit(main(asked.days, asked.incidents))
