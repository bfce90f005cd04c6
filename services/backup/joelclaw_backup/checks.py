"""What later looks at a set found, remembered beside it in `checked.json`. Blocking.

A set that was found damaged once is never verified again, so the first damage stays in the record for good. A drill
that did not pass stays until one passes: reading the bytes again is a weaker look, and lifts nothing. Where the
destination takes no record (read-only, full, dying: when damage is likeliest), it is kept aside, in the state
directory, and counts as much.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Literal, Self

from joelclaw_backup.files import open_directory, read_small, replace_small
from joelclaw_backup.folder import Folder
from joelclaw_backup.layout import CHECKED
from joelclaw_backup.policy import DAMAGE
from joelclaw_backup.records import ManifestInvalid, Record, Sealed, ms_of

GOOD = "verified"


class Check(Record):
    """One look. verdict: `verified`, or the class of what is wrong. restore_ms: of a drill, from start to loaded."""

    at: str
    by: Literal["verify", "drill", "recheck", "restore"]
    verdict: str
    detail: str = ""
    reread_bytes: int = 0
    restore_ms: int | None = None

    @property
    def at_ms(self) -> int:
        return ms_of(self.at)


class Checks(Sealed):
    """All that is remembered of a set: the last look, the last good one, the last drill, and the first damage."""

    schema_version: Literal[1] = 1
    id: str
    last: Check
    good: Check | None = None
    drill: Check | None = None
    damage: Check | None = None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        checks = super().read(raw)
        for check in (checks.last, checks.good, checks.drill, checks.damage):
            if check is not None:
                ms_of(check.at)  # a seal proves that it was written so, not that it makes sense
        return checks

    @classmethod
    def after(cls, before: Checks | None, artefact: str, check: Check) -> Checks:
        """What is remembered once `check` has been made. Pure."""
        damaged = check if check.verdict in DAMAGE else None
        return cls(
            id=artefact,
            last=check,
            good=check if check.verdict == GOOD else before.good if before else None,
            drill=check if check.by == "drill" else before.drill if before else None,
            damage=(before.damage if before else None) or damaged,
        ).sealed()


class ChecksLost(Exception):
    """There is a record, and it can't be read: what it said is not known."""


def recall(at: Folder, artefact: str, aside: Path) -> Checks | None:
    """What is remembered of the set in an open directory; None: nobody looked since it was verified. ChecksLost."""
    beside, kept = _read(CHECKED, at, artefact), _recall_aside(artefact, aside)
    if beside is None or kept is None:
        return beside or kept
    newer, older = (kept, beside) if kept.last.at_ms >= beside.last.at_ms else (beside, kept)
    drills = [drill for drill in (older.drill, newer.drill) if drill]
    last_drill = max(drills, key=lambda drill: drill.at_ms, default=None)  # the newer one where both are of one moment
    return newer.model_copy(update={"damage": older.damage or newer.damage, "drill": last_drill})


def remember(at: Folder, shelf: Folder, artefact: str, check: Check, aside: Path) -> Checks:
    """Adds a look to what is remembered. OSError only when it can be kept neither there nor aside."""
    try:
        before = recall(at, artefact, aside)
    except ChecksLost as lost:  # what it said may have been damage: that is what it now says
        before = Checks.after(None, artefact, check.model_copy(update={"verdict": "hash-differs", "detail": str(lost)}))
    checks = Checks.after(before, artefact, check)
    try:
        replace_small(CHECKED, checks.render(), at, by_way_of=shelf)
    except OSError:
        _keep_aside(aside, checks)
    return checks


def remember_aside(aside: Path, artefact: str, check: Check) -> Checks:
    """The same where the set can't be reached at all. OSError."""
    try:
        before = _recall_aside(artefact, aside)
    except ChecksLost:
        before = None
    checks = Checks.after(before, artefact, check)
    _keep_aside(aside, checks)
    return checks


def _keep_aside(aside: Path, checks: Checks) -> None:
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(open_directory(aside)) as folder:
        replace_small(f"{checks.id}.json", checks.render(), folder)


def _recall_aside(artefact: str, aside: Path) -> Checks | None:
    try:
        folder = open_directory(aside)
    except OSError:
        return None
    with closing(folder):
        return _read(f"{artefact}.json", folder, artefact)


def _read(name: str, at: Folder, artefact: str) -> Checks | None:
    try:
        checks = Checks.read(read_small(name, at))
    except FileNotFoundError:
        return None
    except (OSError, ManifestInvalid) as error:
        raise ChecksLost(f"{name}: {error}") from error
    if checks.id != artefact:
        raise ChecksLost(f"{name}: it is about {checks.id[:60]}")
    return checks
