"""Failovers by hand: `python -m tests.failover.drill [--kills 50] [--level replica …] [--on sentinel|cluster]`.

One line a level; ends with 1 when anything that was acknowledged at `replica` is lost, a run stays open, or a worker
had to be started again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import anyio

from joelclaw_bus.durability import Durability
from tests.failover.kills import SentinelKills, ShardKills
from tests.failover.load import PAUSE, Account, Load, write_figure
from tests.support.replicated import Sentinels
from tests.support.sharded import Shards
from tests.support.worker_process import Job


def drill(on: str, level: str, kills: int, pause: float, directory: Path) -> Account:
    servers = Sentinels(directory / "servers") if on == "sentinel" else Shards(directory / "servers")
    trouble = SentinelKills(servers) if isinstance(servers, Sentinels) else ShardKills(servers, Job.event_name)
    try:
        servers.start()
        return anyio.run(Load(servers.url, directory, level, pause=pause).run, trouble, kills)
    finally:
        servers.stop()


def missed(account: Account) -> str:
    """What the level promises and the account does not hold; '' when all is well."""
    if account.level == Durability.REPLICA and account.lost():
        return f"{account.lost()} acknowledged at replica were lost"
    if account.open_runs:
        return f"{account.open_runs} runs stay open"
    return f"{account.restarts} workers ended" if account.restarts else ""


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=50)
    asked.add_argument("--level", action="append", choices=list(Durability))
    asked.add_argument("--on", choices=["sentinel", "cluster"], default="sentinel")
    asked.add_argument("--pause", type=float, default=PAUSE, help="seconds between the sends of one sender")
    args = asked.parse_args()
    failed = False
    for level in args.level or list(Durability):
        directory = Path(tempfile.mkdtemp(prefix="joelclaw-failover-"))
        account = drill(args.on, level, args.kills, args.pause, directory)
        write_figure(account)
        if why := missed(account):
            failed = True
            print(f"MISSED at {level}: {why}; kept in {directory}", flush=True)
        else:
            shutil.rmtree(directory)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
