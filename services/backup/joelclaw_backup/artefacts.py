"""What is on a shelf, and what may be believed of it: the newest verified set is the one truth about backups. Blocking.

| standing   | means                                                                                         |
|------------|-----------------------------------------------------------------------------------------------|
| verified   | proven when it was stored, its records and sizes hold, and no later look found anything wrong |
| unknown    | the last look found something or could not be made, no drill passed since one that did not,   |
|            | another version made it, or it says that it was proven at a time that is still to come: it may |
|            | be good, nobody may say so                                                                     |
| claimed    | all that makes a verified one, but by its own word alone: this suite has no note of having     |
|            | proven it (`ledger.py`); a person's verify or drill that passes notes it                       |
| damaged    | a look found damage, now or ever before                                                       |
| unverified | nobody ever proved it                                                                         |

Only `verified` counts, for health, `latest` and retention. Where nothing is verified, as on a new machine, there is no
latest: a person takes a claimed one by its id, or verifies it first (docs/decisions/0184).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from joelclaw_backup import ledger
from joelclaw_backup.checks import GOOD, Checks, ChecksLost, recall
from joelclaw_backup.clock import now_ms
from joelclaw_backup.failure import FailureClass
from joelclaw_backup.folder import Folder
from joelclaw_backup.inspection import Finding, Inspected, read_set
from joelclaw_backup.layout import VERIFIED, is_artefact_id
from joelclaw_backup.manifest import Manifest, Verified
from joelclaw_backup.policy import DAMAGE
from joelclaw_backup.records import ms_of
from joelclaw_backup.shelf import Shelf

Standing = Literal["verified", "unknown", "claimed", "damaged", "unverified"]
CLAIMED = "this suite has no note of having proven it: another one did, or nobody; joelclaw backup verify"


@dataclass(frozen=True, slots=True)
class Artefact:
    """One set. `problem` is empty for a verified one."""

    id: str
    path: str
    standing: Standing
    problem: str
    manifest: Manifest | None = None
    verified: Verified | None = None
    checks: Checks | None = None
    vouched: bool = False
    """This suite's own ledger has its proof; see `ledger.py`."""

    @property
    def verified_ms(self) -> int:
        """When it was proven; 0 unless it still stands as verified."""
        return ms_of(self.verified.verified_at) if self.verified and self.standing == "verified" else 0

    @property
    def claimed_ms(self) -> int:
        """When it was proven, by its own word, where that is all there is; else 0."""
        return ms_of(self.verified.verified_at) if self.verified and self.standing == "claimed" else 0

    @property
    def read_ms(self) -> int:
        """When all of it was last read and found good."""
        good = self.checks.good if self.checks else None
        return max(self.verified_ms, good.at_ms if good else 0)


AHEAD_MS = 3_600_000
"""Clocks may differ by so much. A set further ahead would be the newest until then, whatever is made after it."""


def standing_of(
    inspected: Inspected, checks: Checks | None, lost: str = "", *, now: int, vouched: bool = True
) -> tuple[Standing, str]:
    """(standing, problem), by the table above; `lost`: why what was remembered can't be read. Pure."""
    told = "; ".join(map(str, inspected.findings))
    if checks and checks.damage:
        return "damaged", f"found damaged at {checks.damage.at} by {checks.damage.by}: {checks.damage.detail}"
    kinds = {(finding.file, finding.verdict) for finding in inspected.findings}
    if (VERIFIED, "file-missing") in kinds:
        return "unverified", told
    if any(verdict in DAMAGE for _, verdict in kinds):
        return "damaged", told
    if told or lost:
        return "unknown", told or f"what earlier looks found can't be read: {lost}"
    if checks and checks.drill and checks.drill.verdict != GOOD:
        drill = checks.drill
        told = f"the last drill, at {drill.at}, ended as {drill.verdict}: {drill.detail}"
        return "unknown", f"{told}; only a drill that passes lifts this: joelclaw backup drill {checks.id}"
    if checks and checks.last.verdict != GOOD:
        last = checks.last
        return "unknown", f"the last {last.by}, at {last.at}, ended as {last.verdict}: {last.detail}"
    if inspected.verified and ms_of(inspected.verified.verified_at) > now + AHEAD_MS:
        told = f"verified at {inspected.verified.verified_at}, which is still to come: a clock was wrong, then or now"
        return "unknown", f"{told}; take a new one"
    if not vouched:
        assert inspected.verified is not None  # a missing one is a finding
        return "claimed", f"{CLAIMED} {inspected.verified.id} reads all of it, and notes it"
    return "verified", ""


def read_artefacts(shelf: Shelf, aside: Path) -> list[Artefact]:
    """Every set on the shelf, newest verified first, then those that are not. aside: see `checks.py`."""
    found = [read_artefact(shelf, name, aside) for name in shelf.artefacts()]
    return sorted(found, key=worth, reverse=True)


def worth(artefact: Artefact) -> tuple[int, int, str]:
    """What is verified before what is claimed, that before the rest; the newest last."""
    return artefact.verified_ms, artefact.claimed_ms, artefact.id


def read_artefact(shelf: Shelf, name: str, aside: Path) -> Artefact:
    path, checks, lost = str(shelf.path / name), None, ""
    try:
        folder = shelf.folder.folder(name)
    except OSError as error:
        return Artefact(name, path, "unknown", f"can't be opened: {error.strerror or error}")
    with closing(folder):
        read, vouched = _held_against_the_ledger(read_set(folder, name), name, aside)
        try:
            checks = recall(folder, name, aside)
        except ChecksLost as error:
            lost = str(error)
    standing, problem = standing_of(read, checks, lost, now=now_ms(), vouched=vouched)
    return Artefact(name, path, standing, problem, read.manifest, read.verified, checks, vouched)


def _held_against_the_ledger(read: Inspected, name: str, aside: Path) -> tuple[Inspected, bool]:
    """The same, with a finding where its proof is not the one that this suite wrote; and whether it is that one."""
    known = ledger.entered(aside, name)
    if known is None or read.verified is None:
        return read, False
    if known == ledger.hash_of(read.verified):
        return read, True
    if known == ledger.UNREADABLE:
        found = Finding(VERIFIED, FailureClass.IO_ERROR, "what this suite noted of it can't be read")
    else:
        found = Finding(VERIFIED, FailureClass.HASH_DIFFERS, "it is not the proof that this suite wrote")
    return replace(read, findings=(*read.findings, found)), False


def newest_verified(artefacts: list[Artefact]) -> Artefact | None:
    return next((a for a in artefacts if a.verified_ms), None)


def repoint_latest(shelf: Shelf, aside: Path) -> None:
    """`latest` at the newest verified set; away with it where none is verified."""
    newest = newest_verified(read_artefacts(shelf, aside))
    if newest is None:
        shelf.drop_latest()
    elif shelf.latest() != newest.id:
        shelf.point_latest(newest.id)


def find(shelf: Shelf, artefact: str, aside: Path, *, doubtful: bool = False) -> str:
    """The id that a person means: an id, or `latest`: the newest verified one; `doubtful`: the newest, whatever it is
    worth, for one who wants to find that out. FileNotFoundError."""
    if artefact == "latest":
        found = read_artefacts(shelf, aside)
        newest = max(found, key=lambda a: a.id, default=None) if doubtful else newest_verified(found)
        if newest is None:
            raise FileNotFoundError(artefact)
        return newest.id
    if not is_artefact_id(artefact) or not shelf.holds(artefact):
        raise FileNotFoundError(artefact)
    return artefact


def in_use(folder: Folder, *, alone: bool) -> bool:
    """Marks an open set as read (`alone`: as about to go) until it is closed. False: others are at it. Where nothing
    can be locked nothing is known, and the answer is True."""
    return folder.lock(shared=not alone) is not False
