"""Which process the runtime is, as the kernel has it. Reads /proc only; signals nothing.

A process is (pid, start ticks, boot id): a pid that was given out again has other ticks, so it is never taken for ours.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PROC = Path("/proc")


class State(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    """SIGSTOP: the kernel says `T`."""
    GONE = "gone"
    """It was ours, and is no more (a zombie is no more)."""
    NEVER = "never started"
    UNCLEAR = "unclear"
    """Traced by somebody, unreadable, or a system without /proc."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the state file says. `fence`: of the act that started it; `started_ms`: by this host's clock."""

    pid: int
    ticks: int
    boot: str
    fence: int
    started_ms: int

    @property
    def text(self) -> str:
        return f"{self.pid}/{self.ticks}/{self.boot[:8]}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """The process now. `identity` is None where no state file was written yet."""

    state: State
    identity: Identity | None = None
    detail: str = ""

    @property
    def alive(self) -> bool:
        return self.state in (State.RUNNING, State.STOPPED)


def sight(state_file: Path) -> Sighting:
    """The supervised process now. Never raises: what can't be read is UNCLEAR."""
    try:
        identity = read_identity(state_file)
    except FileNotFoundError:
        return Sighting(State.NEVER, None, "it was never started from here")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Sighting(State.UNCLEAR, None, f"{state_file} can't be read: {error}")
    boot = boot_id()
    if not boot:
        return Sighting(State.UNCLEAR, identity, "this system has no /proc")
    if boot != identity.boot:
        return Sighting(State.GONE, identity, "the machine was started anew since")
    found = stat_of(identity.pid)
    if found is None or found.ticks != identity.ticks or found.letter in "ZX":
        return Sighting(State.GONE, identity, f"process {identity.pid} is gone")
    if found.letter == "t":
        return Sighting(State.UNCLEAR, identity, f"process {identity.pid} is being traced")
    state = State.STOPPED if found.letter == "T" else State.RUNNING
    return Sighting(state, identity, f"process {identity.pid} is {state}")


def read_identity(state_file: Path) -> Identity:
    """FileNotFoundError, OSError; ValueError, KeyError, TypeError for a file that is none of ours."""
    raw = json.loads(state_file.read_text("utf-8"))
    return Identity(
        int(raw["pid"]), int(raw["ticks"]), str(raw["boot"]), int(raw["fence"]), int(raw.get("startedMs", 0))
    )


@dataclass(frozen=True, slots=True)
class Stat:
    """A line of /proc/PID/stat. `letter`: the kernel's state; `ticks`: when it started, since boot."""

    pid: int
    letter: str
    session: int
    ticks: int


def stat_of(pid: int) -> Stat | None:
    """None if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
        after = text[text.rindex(")") + 2 :].split()  # a name may hold spaces and parentheses
        return Stat(pid, after[0], int(after[3]), int(after[19]))
    except (OSError, ValueError, IndexError):
        return None


def session_of(identity: Identity) -> list[Stat]:
    """Every living process of the runtime's session, its own first; none that merely got its number.

    The kernel gives no pid out again while a session has that id, so members under a leader that is gone are ours; a
    leader of that number with other ticks is a stranger, and then the whole session is.
    """
    leader = stat_of(identity.pid)
    if boot_id() != identity.boot or (leader and leader.ticks != identity.ticks):
        return []
    pids = (int(entry) for entry in os.listdir(PROC) if entry.isdigit())
    found = [
        stat for pid in pids if (stat := stat_of(pid)) and stat.session == identity.pid and stat.letter not in "ZX"
    ]
    return sorted(found, key=lambda stat: stat.pid != identity.pid)


def boot_id() -> str:
    """This boot of this machine; '' where there is no /proc."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return ""
