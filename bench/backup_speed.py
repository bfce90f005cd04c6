"""A backup's copy against what a person would type, in one run: `python -m bench.backup_speed [MiB]` (1,024).

| way      | against                                | wanted |
|----------|----------------------------------------|--------|
| ssh      | `scp`, over loopback                    | 0.7    |
| mount    | `cp`, then `sha256sum` of what it wrote | 0.7    |

Ours is hashed as it goes and flushed to the disk, its directory too; the others flush nothing. Each takes the cipher it
prefers. Both read a file that memory still holds, as it does one that has just arrived. They take turns, who begins
changes, and the medians are compared; exit code 1 where one falls short. Needs Debian's sshd and root.

Ours works in a process of this session and not, as the service's, in one of its own: Linux shares a busy machine's time
among sessions first, and there the one process would be held against half of all that the bench starts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path

from tests.support.sshd import Sshd

from joelclaw_backup.child import HAND_OVER
from joelclaw_backup.destination import Destination, open_root
from joelclaw_backup.files import copying, open_directory
from joelclaw_backup.killable import finished
from joelclaw_contracts.config import SENTINEL

ROUNDS = 5
MIB = 1024 * 1024
WANTED, MEMORY = 0.7, 100.0
NAME = "dump.rdb"
LINE = "{:<22} {:>8} {:>10}  {}"


def main(size: int) -> int:
    with tempfile.TemporaryDirectory(prefix="backup-speed-") as folder:
        at = Path(folder)
        with (at / NAME).open("wb") as out:
            for _ in range(size):
                out.write(os.urandom(MIB))
        print(LINE.format("copy", "seconds", "MiB/s", "each round"))
        with _ssh(at) as (there, scp):
            good = _held("ssh", "scp", there, scp, at, size)
        with _mount(at) as (there, cp):
            good &= _held("mount", "cp, then sha256sum", there, cp, at, size)
    return 0 if good else 1


def _held(way: str, name: str, there: Destination, theirs: Callable[[], object], at: Path, size: int) -> bool:
    ours, others, peak = _raced(there, theirs, at)
    ratio = statistics.median(others) / statistics.median(ours)
    print(LINE.format(f"{way}: ours", *_told(ours, size)))
    print(LINE.format(f"{way}: {name}", *_told(others, size)))
    memory = f"memory of the copying child at most {peak:.0f} MiB ({MEMORY:.0f} allowed)"
    print(f"{way}: {ratio:.2f} of its speed ({WANTED} wanted); {memory}", flush=True)
    return ratio >= WANTED and peak <= MEMORY


def _raced(there: Destination, theirs: Callable[[], object], at: Path) -> tuple[list[float], list[float], float]:
    from bench.backup_speed import ready, sent  # by these names the child finds them, too

    ours, others, peaks = list[float](), list[float](), list[float]()
    with ProcessPoolExecutor(1, get_context("spawn"), ready) as child:
        child.submit(os.getpid).result()  # the service's children have begun before, too
        turns = [(ours, lambda: peaks.append(child.submit(sent, at, there).result())), (others, theirs)]
        for _ in range(ROUNDS):
            for took, act in turns:
                began = time.monotonic()
                act()
                took.append(time.monotonic() - began)
                (there.root / NAME).unlink()
            turns.reverse()
    return ours, others, max(peaks)


def ready() -> None:
    """As `joelclaw_backup.child` is."""
    sys.setswitchinterval(HAND_OVER)


def sent(at: Path, destination: Destination) -> float:
    """As `publishing.copying_set` does it, in the child: the most memory that it ever had, MiB."""
    with closing(open_root(destination)) as there, closing(open_directory(at)) as here:
        finished(copying(NAME, here, there, afresh=False))
        there.sync()
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) / 1024


@contextmanager
def _ssh(at: Path) -> Iterator[tuple[Destination, Callable[[], object]]]:
    root = _nas(at / "far")
    sshd = Sshd(at / "sshd").start()
    words = ["scp", "-q", "-P", str(sshd.port), "-i", str(sshd.identity)]
    words += ["-o", f"UserKnownHostsFile={sshd.known_hosts}", str(at / NAME), f"root@127.0.0.1:{root}/{NAME}"]
    try:
        yield Destination("ssh", root, ssh=sshd.options()), lambda: subprocess.run(words, check=True)
    finally:
        sshd.stop()


@contextmanager
def _mount(at: Path) -> Iterator[tuple[Destination, Callable[[], object]]]:
    """The disk itself once more, by a mount point of its own."""
    root = _nas(at / "mounted")
    subprocess.run(["mount", "--bind", str(root), str(root)], check=True)

    def typed() -> None:
        subprocess.run(["cp", str(at / NAME), str(root)], check=True)
        subprocess.run(["sha256sum", str(root / NAME)], stdout=subprocess.DEVNULL, check=True)

    try:
        yield Destination("mount", root), typed
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


def _nas(root: Path) -> Path:
    root.mkdir()
    (root / SENTINEL).touch()
    return root


def _told(seconds: list[float], size: int) -> tuple[str, str, str]:
    middle = statistics.median(seconds)
    return f"{middle:.2f}", f"{size / middle:.0f}", " ".join(f"{took:.2f}" for took in seconds)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024))
