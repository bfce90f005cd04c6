"""A copy over SSH against `scp`, over loopback, in one run: `python -m bench.ssh_copy [MiB]` (0.7 is wanted, at 1,024).

Ours is hashed as it goes, flushed to the disk, and its directory with it; scp does none of that. Each takes the
cipher it prefers; the order alternates, and the medians are compared. Needs Debian's sshd and root.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from tests.support.sshd import Sshd

from joelclaw_backup import killable
from joelclaw_backup.destination import Destination, open_root
from joelclaw_backup.files import copying, open_directory
from joelclaw_contracts.config import SENTINEL

ROUNDS = 3
MIB = 1024 * 1024


def main(size: int) -> int:
    with tempfile.TemporaryDirectory(prefix="ssh-copy-") as folder:
        at = Path(folder)
        root = at / "nas"
        root.mkdir()
        (root / SENTINEL).touch()
        with (at / "dump.rdb").open("wb") as out, open("/dev/urandom", "rb") as dice:
            for _ in range(size):
                out.write(dice.read(MIB))
        sshd = Sshd(at / "sshd").start()
        try:
            ours, theirs, peak = _raced(sshd, at, root)
        finally:
            sshd.stop()
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"ours  {_told(ours, size)}\nscp   {_told(theirs, size)}")
    print(f"ratio {ratio:.2f} (0.7 is wanted); memory of the copying child at most {peak:.0f} MiB (100 is allowed)")
    return 0 if ratio >= 0.7 and peak <= 100 else 1


def _raced(sshd: Sshd, at: Path, root: Path) -> tuple[list[float], list[float], float]:
    from bench.ssh_copy import sending  # by this name the child finds it, too

    ours, theirs, peak = [], [], 0.0
    for _ in range(ROUNDS):
        began = time.monotonic()
        peak = max(peak, killable.run_here(root, sending, None, at, Destination("ssh", root, ssh=sshd.options())))
        ours.append(time.monotonic() - began)
        (root / "dump.rdb").unlink()
        began = time.monotonic()
        words = ["scp", "-q", "-P", str(sshd.port), "-i", str(sshd.identity)]
        words += ["-o", f"UserKnownHostsFile={sshd.known_hosts}"]
        subprocess.run([*words, str(at / "dump.rdb"), f"root@127.0.0.1:{root}/dump.rdb"], check=True)
        theirs.append(time.monotonic() - began)
        (root / "dump.rdb").unlink()
    return ours, theirs, peak


def sending(at: Path, destination: Destination) -> Generator[int, None, float]:
    """In the child: the most memory that it ever had, MiB."""
    with closing(open_root(destination)) as there, closing(open_directory(at)) as here:
        yield from copying("dump.rdb", here, there)
        there.sync()
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) / 1024


def _told(seconds: list[float], size: int) -> str:
    middle = statistics.median(seconds)
    return f"{middle:6.2f} s  {size / middle:6.0f} MiB/s  {[round(s, 2) for s in seconds]}"


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024))
