"""Who takes part: this bus, and its peers, each in an environment of its own that is made when it is first needed.

A peer's versions are pinned with hashes in `bench/peers/NAME.txt`, compiled from `NAME.in`, which says why it is there.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv" / "peers"
ADAPTERS = ROOT / "bench" / "peers"
PEERS = {"arq": "arq", "streaq": "streaq", "taskiq": "taskiq-redis", "docket": "pydocket"}
"""The name of its files here, and its package's."""
LONGEST = 600.0


class NotMeasured(Exception):
    """A row, or a peer: its message says why in one line."""


@dataclass(frozen=True)
class Contestant:
    name: str
    command: tuple[str, ...]
    database: int = 0

    def play(self, url: str, row: str, options: dict[str, float]) -> dict[str, Any]:
        """One row, once, in a process of its own. NotMeasured: it failed."""
        words = [*self.command, row, "--url", url.rpartition("/")[0] + f"/{self.database}"]
        words += [word for key, value in options.items() for word in (f"--{key}", f"{value:g}")]
        try:
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST, check=False)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"{self.name} took longer than {LONGEST:.0f} s") from None
        last = (done.stdout.strip().splitlines() or [""])[-1]
        if done.returncode or not last:
            raise NotMeasured(f"{self.name} failed: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
        answer: dict[str, Any] = json.loads(last)
        if "error" in answer:
            raise NotMeasured(f"{self.name}: {answer['error']}")
        return answer


def this_bus() -> Contestant:
    return Contestant("bus", (sys.executable, "-m", "bench.on_bus"))


def peer(name: str) -> Contestant:
    """NotMeasured: its environment can't be made (no network, mostly)."""
    requirements, home = ADAPTERS / f"{name}.txt", ENVIRONMENTS / name
    python, stamp = home / "bin" / "python", home / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        words = [
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            str(requirements),
        ]
        done = subprocess.run([python, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no word"]
            raise NotMeasured(f"{name} can't be installed: {said[-1].removeprefix('ERROR: ')}")
        stamp.write_text(wanted)
    return Contestant(name, (str(python), "-m", f"bench.peers.on_{name}"), 1 + list(PEERS).index(name))


def version(name: str) -> str:
    """As pinned: `arq 0.28.0`."""
    package = PEERS[name]
    pins = (ADAPTERS / f"{name}.txt").read_text().splitlines()
    return next(line.split()[0].replace("==", " ") for line in pins if line.startswith(f"{package}=="))
