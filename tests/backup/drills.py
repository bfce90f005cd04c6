"""`make drills`, `python -m tests.backup.drills [--count N]`: clean sets of all kinds, drilled; each alarm is false.

Each drill is of a set of its own, of other data: keys of every type, some that expire before they are restored, several
databases, functions, users; a source without anything; a Typesense. Exit code 1 on any alarm.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from joelclaw_backup import drill as drilling
from joelclaw_backup.looking import Shelved
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.steps import Steps
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_bus import StoreSettings, open_store
from tests.backup.conftest import AT_ONCE, back_up, settings_of
from tests.support.server import Server
from tests.support.typesense import TypesenseServer, books, typesense_binary
from tests.typesense.conftest import settings_of as typesense_settings_of

LINE = "{:<34} {:>7} {:>13} {:>12}  {}"


@dataclass
class Drilled:
    """alarms: what was said of sets that nothing is wrong with; ms: the slowest restore."""

    count: int = 0
    ms: int = 0
    alarms: tuple[str, ...] = ()


def of_redis(
    folder: Path, count: int, *, binary: str | None = None, saved: bool = False, empty: bool = False
) -> Drilled:
    """binary: another server than Valkey; saved: taken by BGSAVE and its file; empty: it holds nothing at all."""
    with _running(Server(folder / "source", binary=binary, aof=False, options=AT_ONCE)) as server:
        rdb = server.directory / "dump.rdb" if saved else None
        backup = RedisBackup(settings_of(server, _nas(folder), rdb=rdb))
        return anyio.run(_each, backup, count, lambda n: _emptied(server) if empty else _filled(server, n))


def of_typesense(folder: Path, count: int) -> Drilled:
    with ExitStack() as stack:
        keeper = stack.enter_context(_running(Server(folder / "store", aof=False)))
        server = TypesenseServer(folder / "typesense" / "data")
        stack.callback(server.stop)
        server.start()
        server.create("books")
        for root in ("snapshots", "fallback"):
            (folder / root).mkdir()
        roots = (str(folder / "snapshots"), str(folder / "fallback"))
        settings = typesense_settings_of(server, _nas(folder), roots)

        async def each() -> Drilled:
            async with open_store(StoreSettings(keeper.url)) as store:
                fill = lambda n: server.put("books", books(200, n * 200))  # noqa: E731  as the others' are
                return await _each(TypesenseBackup(settings, store), count, fill)

        return anyio.run(each)


async def _each(backup: Steps, count: int, fill: Callable[[int], object]) -> Drilled:
    told = Drilled()
    keeping = backup.keeping
    at = Shelved(keeping.destination, backup.target, keeping.aside)
    for n in range(count):
        await anyio.to_thread.run_sync(fill, n)
        *_, published = (await back_up(backup, f"drill:{n}", time.time_ns() // 1_000_000))[:3]  # type: ignore[arg-type]  # any steps
        found = await drilling.drill(at, published["id"], keeping.staging, typesense=str(typesense_binary()))
        told.count += 1
        told.ms = max(told.ms, found.check.restore_ms or 0)
        if found.check.verdict != "verified" or found.findings:
            told.alarms += (f"{published['id']}: {found.check.verdict}: {found.check.detail} {found.findings}",)
    return told


def _filled(server: Server, seed: int) -> None:
    dice = random.Random(seed)
    with server.client() as client:
        for n in range(200):
            client.set(f"key-{seed}-{n}", dice.randbytes(dice.randrange(2000)))
            client.set(f"soon-{seed}-{n}", n, px=50 + n * 20)
        client.zadd(f"scores-{seed}", {f"m{n}": dice.random() for n in range(300)})
        client.hset(f"hash-{seed}", mapping={f"f{n}": n for n in range(300)})
        client.rpush(f"list-{seed}", *range(300))
        client.sadd(f"set-{seed}", *range(300))
        client.xadd(f"stream-{seed}", {"a": "b"})
        client.function_load("#!lua name=lib\nredis.register_function('f', function() return 1 end)", replace=True)
        client.acl_setuser(f"reader-{seed}", enabled=True, keys=["x*"], commands=["+get"])
        client.execute_command("SELECT", dice.randrange(1, 16))
        client.set("elsewhere", seed)


def _emptied(server: Server) -> None:
    with server.client() as client:
        client.flushall()


def _nas(folder: Path) -> Path:
    (folder / "nas").mkdir()
    return folder / "nas"


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        yield server.start()
    finally:
        server.stop()


def kinds() -> dict[str, Callable[[Path, int], Drilled]]:
    """What is drilled; Redis where a redis-server is on PATH."""
    redis = shutil.which("redis-server")
    found: dict[str, Callable[[Path, int], Drilled]] = {
        "valkey, as a replica": of_redis,
        "valkey, by BGSAVE": lambda folder, count: of_redis(folder, count, saved=True),
        "an empty valkey": lambda folder, count: of_redis(folder, count, empty=True),
        "typesense": of_typesense,
    }
    if redis:
        found["redis, as a replica"] = lambda folder, count: of_redis(folder, count, binary=redis)
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--count", type=int, default=50, help="drills in all")
    count = asked.parse_args().count
    every, alarms, done = kinds(), 0, 0
    print(LINE.format("sets of", "drills", "false alarms", "slowest ms", ""))
    for n, (name, kind) in enumerate(every.items()):
        share = count // len(every) + (n < count % len(every))
        with tempfile.TemporaryDirectory(prefix="drills-") as folder:
            told = kind(Path(folder), share)
        print(LINE.format(name, told.count, len(told.alarms), told.ms, "; ".join(told.alarms)), flush=True)
        alarms, done = alarms + len(told.alarms), done + told.count
    print(f"{done} drills, {alarms} false alarms")
    return 1 if alarms or done < count else 0


if __name__ == "__main__":
    raise SystemExit(main())
