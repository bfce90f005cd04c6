"""Every fault: what is done, which outcome and class must come of it."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from joelclaw_backup import killable, provider
from joelclaw_backup.address import parse_address
from tests.backup.faults import clock_table as clock
from tests.backup.faults import ssh_table as ssh
from tests.backup.faults.bench import BYTES, UNCHECKED, Bench, is_copying, meanwhile
from tests.backup.faults.places import HangingShare, can_hang, remount, tmpfs, unmount

Result = tuple[str, str]
STORED: Result = ("stored", "")
FULL: Result = ("failed", "no-space-left")
KIB = 1024


class NotHere(Exception):
    """This machine can't make such a fault."""


@dataclass(frozen=True)
class Fault:
    """`do` injects it, and answers with what came of it: (outcome, class) of each backup that was tried. All that is
    wanted must come of it, and nothing else."""

    name: str
    wanted: set[Result]
    do: Callable[[Bench], Awaitable[list[Result]]]


async def nothing(bench: Bench) -> list[Result]:
    return [await bench.attempt()]


async def destination_has_too_little_room(bench: Bench) -> list[Result]:
    """Told by the figures, before a byte is written."""
    with tmpfs(bench.root, 2 * BYTES):
        await bench.prepare()
        result = await bench.attempt(bench.settings(reserve=BYTES))
        left = [p.name for p in bench.root.glob("backups/redis/*.partial")]
        return [result if not left else ("failed", f"{left} was begun"), *told(bench)]


async def destination_is_full_at_any_write(bench: Bench) -> list[Result]:
    """The same backup on disks of ever more pages: every write in turn is the one that finds no room."""
    results: list[Result] = []
    first = 256 * KIB
    sizes = [first + n * BYTES // 3 for n in range(3)]  # in the data
    sizes += [BYTES + 128 * KIB + n * 8 * KIB for n in range(7)]  # its last pages, each record, and enough
    for size in sizes:
        with tmpfs(bench.root, size):
            await bench.prepare()
            results += [await bench.attempt(bench.settings(reserve=UNCHECKED)), *told(bench)]
    return results


async def destination_is_full_at_a_record(bench: Bench) -> list[Result]:
    """The data fits, and what is written beside it at each later step does not."""
    results: list[Result] = []
    for step in ("verify", "publish"):
        with tmpfs(bench.root, 4 * BYTES):
            await bench.prepare()
            hog = {step: lambda: _fill(bench.root / "hog")}
            results += [await bench.attempt(bench.settings(reserve=UNCHECKED), before=hog)]
            (bench.root / "hog").unlink()
            results += told(bench)
    return results


async def destination_cannot_be_written(bench: Bench) -> list[Result]:
    results: list[Result] = []
    for step in ("take", "copy", "publish"):
        with tmpfs(bench.root, 4 * BYTES):
            await bench.prepare()
            results += [await bench.attempt(before={step: lambda: remount(bench.root, "ro")}), *told(bench)]
    return results


async def destination_is_not_mounted(bench: Bench) -> list[Result]:
    results: list[Result] = []
    bench.kind = "mount"
    for step in ("take", "copy", "verify", "publish"):
        with ExitStack() as stack:
            stack.enter_context(tmpfs(bench.root, 4 * BYTES))
            await bench.prepare()
            kept = bench.folder / "kept"
            _bind(bench.root, kept)
            stack.callback(unmount, kept)
            results.append(await bench.attempt(before={step: lambda: unmount(bench.root)}))
            results += [("failed", f"{p} lies below the mount point") for p in bench.root.iterdir()]
            _bind(kept, bench.root)
            results += told(bench)
            unmount(bench.root)
    return results


async def destination_vanishes_in_mid_copy(bench: Bench) -> list[Result]:
    bench.kind = "mount"
    with ExitStack() as stack:
        stack.enter_context(tmpfs(bench.root, 4 * BYTES))
        await bench.prepare()
        kept = bench.folder / "kept"
        _bind(bench.root, kept)
        stack.callback(unmount, kept)
        with meanwhile(lambda: is_copying(bench.root), lambda: unmount(bench.root)):
            results = [await bench.attempt()]
        results += [("failed", f"{p} lies below the mount point") for p in bench.root.iterdir()]
        _bind(kept, bench.root)
        results += told(bench)
        unmount(bench.root)
    return results


async def share_hangs(bench: Bench) -> list[Result]:
    """A real one: sshfs, whose server is frozen. No thread of ours may be held, nor the next look."""
    if not can_hang():
        raise NotHere("no FUSE or no sshfs here")
    with HangingShare(bench.folder / "real", bench.root) as share:
        await bench.prepare()
        with _impatient():
            results = [await bench.attempt(before={"copy": share.stop})]
            results.append(await bench.attempt())  # while the first child may still hang
        share.go_on()
        await _until_free(bench.root)
        results += [await bench.attempt(), *told(bench, 2)]
    return results


async def child_is_frozen_in_mid_copy(bench: Bench) -> list[Result]:
    """The stand-in where there is no FUSE: to us it looks the same, a call that does not come back."""
    await bench.prepare()
    with _impatient(), meanwhile(lambda: is_copying(bench.root), _freeze_children):
        results = [await bench.attempt()]
    return [*results, *told(bench)]


async def child_is_killed_in_mid_copy(bench: Bench) -> list[Result]:
    await bench.prepare()
    with meanwhile(lambda: is_copying(bench.root), lambda: [c.process.kill() for c in killable.at_work()]):
        return [await bench.attempt(), *told(bench)]


async def local_disk_is_full(bench: Bench) -> list[Result]:
    """By the reserve, which leaves room for the store on the same disk; and by the disk itself."""
    await bench.prepare()
    results: list[Result] = []
    for size, reserve in ((4 * BYTES, 3 * BYTES + BYTES // 2), (BYTES // 2, UNCHECKED), (2 * BYTES, UNCHECKED)):
        with tmpfs(bench.folder / "small", size) as small:
            settings = bench.settings()
            staging = replace(settings.staging, root=small / "staging", reserve=reserve)
            results += [await bench.attempt(replace(settings, staging=staging)), *told(bench)]
    return results


async def source_is_gone(bench: Bench) -> list[Result]:
    await bench.prepare()
    gone = replace(bench.settings(), source=parse_address("redis://127.0.0.1:1"))
    return [await bench.attempt(gone), *told(bench)]


async def source_dies_in_mid_dump(bench: Bench) -> list[Result]:
    await bench.prepare()
    staging = bench.settings().staging.root

    def arriving() -> bool:
        return any(True for _ in staging.glob("backups/redis/*.partial/dump.rdb"))

    with meanwhile(arriving, bench.source.stop):
        result = await bench.attempt()
    bench.source.start()
    return [result, *told(bench)]


async def source_hangs(bench: Bench) -> list[Result]:
    await bench.prepare()
    bench.source.send(signal.SIGSTOP)
    try:
        result = await bench.attempt()
    finally:
        bench.source.send(signal.SIGCONT)
    return [result, *told(bench)]


async def source_is_empty(bench: Bench) -> list[Result]:
    await bench.prepare()
    with bench.source.client() as client:
        client.flushall()
        result = await bench.attempt()
        client.set("joelclaw-test-store", 1)
    return [result, *told(bench, 2)]


async def two_backups_at_once(bench: Bench) -> list[Result]:
    await bench.prepare()
    results: list[Result] = []

    async def one() -> None:
        results.append(await bench.attempt())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
    return [*results, *told(bench, 3)]


async def prune_during_a_backup(bench: Bench) -> list[Result]:
    await bench.prepare()
    environ = bench.environ()
    prunes = {step: lambda: provider.prune(environ) for step in ("copy", "verify", "publish")}
    return [await bench.attempt(before=prunes), *told(bench, 2)]


async def staged_dump_is_swept(bench: Bench) -> list[Result]:
    """Its machine is gone, or somebody swept it: it is taken anew."""
    await bench.prepare()
    staging = bench.settings().staging.root
    return [await bench.attempt(before={"copy": lambda: shutil.rmtree(staging)}), *told(bench, 2)]


FAULTS = (
    Fault("nothing goes wrong", {STORED}, lambda b: _prepared(b, nothing)),
    Fault("destination: too little room", {FULL}, destination_has_too_little_room),
    Fault("destination: full at any write", {FULL, STORED}, destination_is_full_at_any_write),
    Fault("destination: full at a record", {FULL}, destination_is_full_at_a_record),
    Fault("destination: unwritable", {("failed", "permission-denied")}, destination_cannot_be_written),
    Fault("destination: not mounted", {("failed", "not-mounted")}, destination_is_not_mounted),
    Fault("destination: vanishes in mid-copy", {("failed", "not-mounted")}, destination_vanishes_in_mid_copy),
    Fault("destination: hangs (sshfs), goes on", {("failed", "timeout"), STORED}, share_hangs),
    Fault("destination: hangs (stand-in)", {("failed", "timeout")}, child_is_frozen_in_mid_copy),
    Fault("the copying child is killed", {("failed", "io-error")}, child_is_killed_in_mid_copy),
    Fault("local disk full", {FULL}, local_disk_is_full),
    Fault("source: gone", {("failed", "connection-refused")}, source_is_gone),
    Fault("source: dies in mid-dump", {("failed", "connection-reset")}, source_dies_in_mid_dump),
    Fault("source: hangs", {("failed", "server-unavailable")}, source_hangs),
    Fault("source: empty", {STORED}, source_is_empty),
    Fault("two backups at once", {STORED}, two_backups_at_once),
    Fault("prune during a backup", {STORED}, prune_during_a_backup),
    Fault("clock: a year ahead for a night", {("stored, not listed", ""), STORED}, clock.ran_ahead),
    Fault("clock: set back by a year", {STORED}, clock.was_set_back),
    Fault("clock: the hour that comes twice", {STORED}, clock.came_twice),
    Fault("30 failed nights", {("failed", "connection-refused")}, clock.a_month_of_failures),
    Fault("staged dump swept away", {STORED}, staged_dump_is_swept),
    Fault("ssh: nothing goes wrong", {STORED}, lambda b: _over_ssh(b, ssh.nothing, 2)),
    Fault("ssh: refused", {("failed", "connection-refused")}, lambda b: _over_ssh(b, ssh.refused)),
    Fault("ssh: hangs before auth", {("failed", "timeout")}, lambda b: _over_ssh(b, ssh.hangs_before_auth)),
    Fault("ssh: hangs after auth", {("failed", "ssh-transport")}, lambda b: _over_ssh(b, ssh.hangs_after_auth)),
    Fault("ssh: hangs in mid-file", {("failed", "ssh-transport")}, lambda b: _over_ssh(b, ssh.hangs_in_mid_file)),
    Fault(
        "ssh: breaks in mid-file, then well",
        {("failed", "ssh-transport"), STORED},
        lambda b: _over_ssh(b, ssh.breaks_in_mid_file, 2),
    ),
    Fault("ssh: host key changed", {("failed", "host-key-mismatch")}, lambda b: _over_ssh(b, ssh.host_key_changed)),
    Fault("ssh: too little room", {FULL}, ssh.remote_has_too_little_room),
    Fault("ssh: remote disk full at any write", {FULL, STORED}, ssh.remote_disk_full_at_any_write),
    Fault(
        "both ways out: queue, cap, drained",
        {("deferred", ""), ("failed", "byte-cap-reached"), STORED},
        ssh.both_ways_out,
    ),
)


def told(bench: Bench, at_least: int = 1) -> list[Result]:
    """What does not hold after the fault, as results that nobody wanted."""
    return [("miss", wrong) for wrong in bench.misses(at_least=at_least)]


async def _over_ssh(bench: Bench, act: Callable[[Bench], Awaitable[list[Result]]], at_least: int = 1) -> list[Result]:
    return [*await act(bench), *told(bench, at_least)]


async def _prepared(bench: Bench, act: Callable[[Bench], Awaitable[list[Result]]]) -> list[Result]:
    await bench.prepare()
    return [*await act(bench), *told(bench, 2)]


def _fill(file: Path) -> None:
    """Until there is no byte left."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    out.write(b"x" * size)
            except OSError:
                continue


def _bind(one: Path, other: Path) -> None:
    other.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(one), str(other)], check=True)


def _freeze_children() -> None:
    for child in killable.at_work():
        child.process.send_signal(signal.SIGSTOP)


class _impatient:
    """A share is given up after four seconds, not five minutes."""

    def __enter__(self) -> None:
        self.before, killable.STALL = killable.STALL, 4.0

    def __exit__(self, *_: object) -> None:
        killable.STALL = self.before


async def _until_free(root: Path) -> None:
    with anyio.fail_after(30):
        while killable.is_stuck(root):  # noqa: ASYNC110  a process of the kernel's sets no event
            await anyio.sleep(0.05)
