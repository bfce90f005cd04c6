"""Backups: the age and size of the newest *verified* artefact; that a run ended well proves nothing.

| what is on the shelf                                    | is said as                                        |
|---------------------------------------------------------|---------------------------------------------------|
| none yet, and the first is not due                      | nothing: coverage says "none yet"                 |
| none, though there was one, or the first is overdue     | failing                                           |
| the newest is older than two periods of its schedule    | failing                                           |
| the newest is 4 times the one before it, or a quarter   | ok, with a finding                                |
| any copy is damaged, unknown or unverified              | the same, with a finding                          |
| one waits in the queue                                  | the same, with a finding: how long, how large     |
| it can't be read, or not in time                        | unknown                                           |

Ages are between the store's clock and the proof's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from joelclaw_contracts import BackupRunRequested
from joelclaw_health.cadence import longest_ms
from joelclaw_health.probes.child import ask
from joelclaw_health.sample import Sample

CONDITION = "artefact"
GROUP, NAME = "joelclaw.providers", "backup"
SINCE = BackupRunRequested.event_name
"""The slot that only the backup service registers: when it did is when it first ran on this bus."""
TOO_OLD = 2
JUMP = 4
SMALL = 64 * 1024
"""Below this, bytes, no size jumps: a bus that is hours old grows tenfold by its own first keys."""
_HOUR = 3_600_000
_NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Shelf:
    """What `function` backs up on this schedule."""

    target: str
    function: str
    schedule: str

    @property
    def component(self) -> str:
        return f"backup {self.target}"


def is_installed() -> bool:
    """Whether the backup service's list can be read here."""
    return bool(entry_points(group=GROUP, name=NAME))


async def artefact(shelf: Shelf, *, now: int, since: int, born: int, known: bool, timeout: float) -> list[Sample]:
    """since: when backups of it were first to be made; born: when the service last started; known:
    whether an artefact was seen before."""
    told = await ask("joelclaw_health.probes.shelf", shelf.target, timeout=timeout)
    if isinstance(told, str):
        return [Sample(shelf.component, CONDITION, "unknown", now, "", f"the list of backups {told}", born)]
    if "error" in told:
        return [Sample(shelf.component, CONDITION, "unknown", now, "", str(told["error"]), born)]
    more = {"doubtful": told["doubtful"], "queued": told.get("queued", _NONE)}
    return judged(shelf, told["newest"], now=now, since=since, born=born, known=known, **more)


def judged(
    shelf: Shelf,
    newest: Sequence[dict[str, Any]],
    *,
    now: int,
    since: int,
    born: int,
    known: bool,
    doubtful: Mapping[str, int] = _NONE,
    queued: Mapping[str, int] = _NONE,
) -> list[Sample]:
    """One sample, or none. `newest`: verified artefacts {"verifiedMs", "bytes", "lastDrill"}, the newest first;
    `doubtful`: how many others stand as damaged, unknown or unverified; `queued`: {"count", "bytes", "oldestMs"}."""
    period, others = longest_ms(shelf.schedule, now), (_doubted(doubtful), _waits(queued))
    if not newest:
        if not known and now - since <= period + period // 8:  # the run itself takes a while, too
            return []
        gone = "it is gone" if known else f"none in the {_hours(now - since)} that it is configured"
        reason = "; ".join(filter(None, (f"no verified backup: {gone}", *others)))
        return [Sample(shelf.component, CONDITION, "failing", now, "none", reason, born)]
    age, size = max(0, now - int(newest[0]["verifiedMs"])), int(newest[0]["bytes"])
    value = f"{_hours(age)} old, {_size(size)}{_drilled(newest[0].get('lastDrill'))}"
    if age > TOO_OLD * period:
        late = f"the newest verified backup is {_hours(age)} old; one is due every {_hours(period)}"
        reason = "; ".join(filter(None, (late, _waits(queued))))
        return [Sample(shelf.component, CONDITION, "failing", now, value, reason, born)]
    before = int(newest[1]["bytes"]) if len(newest) > 1 else size
    reason = "; ".join(filter(None, (_jump(before, size), *others)))
    return [Sample(shelf.component, CONDITION, "ok", now, value, reason, born)]


def _drilled(drill: dict[str, Any] | None) -> str:
    """How the newest one's last restore went."""
    if not drill:
        return ""
    took = f" in {drill['restoreMs']} ms" if drill.get("restoreMs") is not None else ""
    return f", last drill {drill['verdict']}{took}"


def _doubted(doubtful: Mapping[str, int]) -> str:
    """Copies that once were made and can't be relied on: a finding, whatever the newest is."""
    told = ", ".join(f"{count} {standing}" for standing, count in sorted(doubtful.items()) if count)
    return f"not to be relied on: {told} (joelclaw backup list)" if told else ""


def _waits(queued: Mapping[str, int]) -> str:
    """Sets on the local disk that no way to the NAS was open for: degraded, whatever the newest is."""
    if not queued.get("count"):
        return ""
    size, age = _size(queued["bytes"]), _hours(queued["oldestMs"])
    return f"{queued['count']} waiting in the queue, {size}, the oldest for {age} (joelclaw backup queue)"


def _jump(before: int, size: int) -> str:
    low, high = sorted((before, size))
    if high < SMALL or high < JUMP * max(low, 1):
        return ""
    return f"its size jumped from {_size(before)} to {_size(size)}: look at what is in it"


def _hours(ms: int) -> str:
    return f"{ms / _HOUR:.1f} h"


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
