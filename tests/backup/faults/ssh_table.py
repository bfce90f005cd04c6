"""The faults of the way over SSH, and of the queue: what is done, which outcome and class must come of it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from joelclaw_backup.carrying import Carried, carry
from joelclaw_backup.destination import Destination
from joelclaw_backup.draining import _drained
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.policy import class_of
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.ssh_options import SshOptions
from joelclaw_backup.switch import Patience
from joelclaw_backup.telling import Speaker
from joelclaw_backup.travel import Travel
from joelclaw_backup.waiting_sets import waiting
from joelclaw_bus import StoreSettings, open_store
from tests.backup.faults.bench import BYTES, UNCHECKED, Bench, is_copying, meanwhile
from tests.backup.faults.places import tmpfs
from tests.support.sshd import Sshd

Result = tuple[str, str]
KIB = 1024


@contextmanager
def served(bench: Bench) -> Iterator[Sshd]:
    """The bench's root, behind an sshd."""
    sshd = Sshd(bench.folder / "sshd")
    bench.ssh = sshd.options()
    sshd.start()
    try:
        yield sshd
    finally:
        sshd.stop()


async def nothing(bench: Bench) -> list[Result]:
    with served(bench):
        await bench.prepare()
        return [await bench.attempt()]


async def refused(bench: Bench) -> list[Result]:
    with served(bench) as sshd:
        await bench.prepare()
        return [await bench.attempt(before={"copy": sshd.stop})]


async def hangs_before_auth(bench: Bench) -> list[Result]:
    """It takes the connection, and says nothing."""
    with served(bench) as sshd:
        await bench.prepare()
        sshd.stop()
        with socket.create_server(("127.0.0.1", sshd.port)):
            return [await bench.attempt()]


async def hangs_after_auth(bench: Bench) -> list[Result]:
    with served(bench) as sshd:
        await bench.prepare()
        (sshd.folder / "log").write_text("")
        with meanwhile(lambda: "Accepted publickey" in sshd.log(), sshd.freeze):
            return [await bench.attempt()]


async def hangs_in_mid_file(bench: Bench) -> list[Result]:
    with served(bench) as sshd:
        await bench.prepare()
        with _slowly(bench), meanwhile(lambda: is_copying(bench.root), sshd.freeze):
            return [await bench.attempt()]


async def breaks_in_mid_file(bench: Bench) -> list[Result]:
    """And comes back for the next one."""
    with served(bench) as sshd:
        await bench.prepare()
        with _slowly(bench), meanwhile(lambda: is_copying(bench.root, BYTES // 2), sshd.stop):
            results = [await bench.attempt()]
        sshd.start()
        return [*results, await bench.attempt()]


async def host_key_changed(bench: Bench) -> list[Result]:
    with served(bench) as sshd:
        await bench.prepare()
        sshd.stop()
        sshd.new_host_key()
        sshd.start()
        result = await bench.attempt()
        said = "Accepted" in sshd.log().partition("Received signal")[2]
        return [result if not said else ("failed", "something was sent")]


async def remote_disk_full_at_any_write(bench: Bench) -> list[Result]:
    results: list[Result] = []
    with served(bench):
        for size in (256 * KIB, 256 * KIB + BYTES // 2, BYTES + 128 * KIB, BYTES + 168 * KIB, 2 * BYTES):
            with tmpfs(bench.root, size):
                await bench.prepare()
                results += [await bench.attempt(bench.settings(reserve=UNCHECKED)), *_told(bench)]
    return results


async def remote_has_too_little_room(bench: Bench) -> list[Result]:
    with served(bench), tmpfs(bench.root, 2 * BYTES):
        await bench.prepare()
        result = await bench.attempt(bench.settings(reserve=BYTES))
        begun = list(bench.root.glob("backups/redis/*.partial"))
        return [result if not begun else ("failed", "a byte was sent"), *_told(bench)]


async def both_ways_out(bench: Bench) -> list[Result]:
    """Queued; at the cap the next one fails and nothing is dropped; drained once a way is back, exactly once."""
    await bench.prepare()
    nowhere = Sshd(bench.folder / "nowhere").options()  # nobody listens there
    away, results = bench.root.rename(bench.folder / "away"), []
    for _ in range(2):
        results.append(await _carried(bench, nowhere, BYTES + BYTES // 2))
    queue = _travelling(bench, nowhere).settings.travel.queue
    assert queue is not None
    results += [("miss", f"{len(waiting(queue))} wait")] if len(waiting(queue)) != 1 else []
    away.rename(bench.root)
    backup = _travelling(bench, nowhere)
    async with open_store(StoreSettings(bench.source.url)) as store:
        for _ in range(2):  # the second finds nothing to do
            for entry in waiting(queue):
                speaker = Speaker(backup.settings, "test", "s")
                kept = await _drained(HandStep(), store, backup, speaker, entry, queue)  # type: ignore[arg-type]  # a step turned by hand
                results.append(("stored" if kept is None and bench.is_listed(entry.id) else "queued", kept or ""))
    return [*results, *([("miss", "it still waits")] if waiting(queue) else []), *_told(bench, 2)]


class HandStep:
    """The steps of a run, made at once and not journaled."""

    run_id, now_ms = "fault", 1_795_000_000_000

    async def run(self, name: str, act: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await act(*args)

    async def sleep(self, name: str, seconds: float) -> None:
        return None

    async def send_event(self, name: str, event: Any, **_: Any) -> str:
        return name


def _travelling(bench: Bench, nowhere: SshOptions, cap: int = 0) -> RedisBackup:
    settings = bench.settings()
    queue = Destination("directory", bench.folder / "state/backup-queue", ours=True)
    remote = Destination("ssh", bench.root, ssh=nowhere)
    return RedisBackup(replace(settings, travel=Travel(remote, False, Patience(4, 1, 1), queue, cap)))


async def _carried(bench: Bench, nowhere: SshOptions, cap: int) -> Result:
    bench.counter += 1
    backup = _travelling(bench, nowhere, cap)
    speaker = Speaker(backup.settings, "fault", "fault")
    taken = await backup.take(f"fault:{bench.counter}", 0, "", 1_795_000_000_000 + bench.counter * 1000)
    try:
        carried: Carried = await carry(HandStep(), backup, taken, 0, speaker.switches)  # type: ignore[arg-type]  # a step turned by hand
    except BackupFailed as failed:
        await backup.discard(taken)
        return "failed", class_of(failed).value
    return ("stored" if carried.published else "deferred"), ""


@contextmanager
def _slowly(bench: Bench) -> Iterator[None]:
    """So that there is a middle to break in."""
    before = bench.ssh
    assert before is not None
    bench.ssh = replace(before, bytes_per_second=BYTES // 2)
    try:
        yield
    finally:
        bench.ssh = before


def _told(bench: Bench, at_least: int = 1) -> list[Result]:
    return [("miss", wrong) for wrong in bench.misses(at_least=at_least)]
