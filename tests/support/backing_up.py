"""One backup after the other in a process of its own, to be killed: `backing_up URL ROOT NAME` names each step."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio

from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.retention import Rule
from tests.backup.conftest import settings_of


async def main(url: str, root: str, name: str) -> None:
    backup = RedisBackup(settings_of(url, Path(root), rule=Rule(last=4)))
    for number in range(1_000_000):
        print("take", flush=True)
        taken = await backup.take(f"{name}:{number}", 0, "", time.time_ns() // 1_000_000)
        print("copy", flush=True)
        copied = await backup.copy(taken)
        print("verify", flush=True)
        proven = await backup.verify(taken, copied)
        print("publish", flush=True)
        await backup.publish(taken, copied, proven)
        print("stored", flush=True)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
