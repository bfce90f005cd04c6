"""Later looks at sets that are on the shelf, and what they leave remembered. Blocking generators for `killable`."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joelclaw_backup import ledger
from joelclaw_backup.artefacts import Artefact, find, in_use, read_artefact, read_artefacts, repoint_latest
from joelclaw_backup.checks import GOOD, Check, remember
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.fetch import Scratch, fetching
from joelclaw_backup.folder import Folder
from joelclaw_backup.inspection import Finding, Inspected, inspecting, read_set
from joelclaw_backup.policy import DAMAGE
from joelclaw_backup.records import iso
from joelclaw_backup.shelf import Shelf, open_shelf


@dataclass(frozen=True, slots=True)
class Shelved:
    """Which set is looked at."""

    destination: Destination
    target: str
    aside: Path


def listing(at: Shelved) -> Generator[None, None, list[Artefact]]:
    """Every set, newest verified first. FileNotFoundError when nothing was ever kept there."""
    with open_shelf(at.destination, at.target, make=False) as shelf:
        yield
        return read_artefacts(shelf, at.aside)


def finding(at: Shelved, artefact: str, doubtful: bool) -> Generator[None, None, Artefact]:
    """The set that an id or `latest` means; see `find`. FileNotFoundError."""
    with open_shelf(at.destination, at.target, make=False) as shelf:
        yield
        return read_artefact(shelf, find(shelf, artefact, at.aside, doubtful=doubtful), at.aside)


def reading_again(
    at: Shelved, artefact: str, adopt: bool = False
) -> Generator[int | None, None, tuple[Inspected, Artefact]]:
    """Reads all of a set: what was found, remembered before it is told, and the set as it stands then. adopt: a person
    asked for it, so that a claimed set that passes is verified from now on."""
    with opened(at, artefact) as (shelf, folder):
        inspected = yield from inspecting(folder, artefact=artefact, finished=True)
        remember_look(at, shelf, folder, artefact, check_of(inspected, "verify"), adopt=adopt)
        return inspected, read_artefact(shelf, artefact, at.aside)


def fetching_set(at: Shelved, artefact: str, scratch: Scratch) -> Generator[int | None, None, Inspected]:
    """Reads all of a set into a scratch directory; nothing is remembered yet: more is to be found out."""
    with opened(at, artefact) as (_, folder):
        known = read_set(folder, artefact).manifest
        return (yield from fetching(folder, artefact, scratch, known.bytes if known else 0, finished=True))


def remembering(at: Shelved, artefact: str, check: Check) -> Generator[None, None, Artefact]:
    """Adds a look to what is remembered of a set, a drill that a person asked for; the set as it stands then."""
    with opened(at, artefact) as (shelf, folder):
        yield
        remember_look(at, shelf, folder, artefact, check, adopt=check.by == "drill")
        return read_artefact(shelf, artefact, at.aside)


def rechecking(at: Shelved, spare: str) -> Generator[int | None, None, dict[str, Any]]:
    """Reads the set again, verified or claimed, that was not read for the longest time (but `spare`): N sets in exactly
    N runs.

    {"id", "verdict", "detail", "bytes"}; the id is empty when there is none.
    """
    with open_shelf(at.destination, at.target, make=False) as shelf:
        waiting = [a for a in read_artefacts(shelf, at.aside) if (a.verified_ms or a.claimed_ms) and a.id != spare]
    if not waiting:
        return {"id": "", "verdict": "", "detail": "", "bytes": 0}
    longest = min(waiting, key=lambda a: (a.read_ms, a.id))
    with opened(at, longest.id) as (shelf, folder):
        inspected = yield from inspecting(folder, artefact=longest.id, finished=True)
        check = check_of(inspected, "recheck")
        remember_look(at, shelf, folder, longest.id, check)
    return {"id": longest.id, "verdict": check.verdict, "detail": check.detail, "bytes": inspected.bytes}


def check_of(inspected: Inspected, by: str) -> Check:
    """What such a look is remembered as; damage weighs more than anything else that was found."""
    first = verdict_of(inspected.findings)
    return Check.model_validate(
        {
            "at": iso(now_ms()),
            "by": by,
            "verdict": first.verdict if first else GOOD,
            "detail": str(first) if first else "",
            "rereadBytes": inspected.bytes,
        }
    )


def verdict_of(findings: tuple[Finding, ...]) -> Finding | None:
    """The finding that says most: damage before anything else."""
    return next((f for f in findings if f.verdict in DAMAGE), findings[0] if findings else None)


@contextmanager
def opened(at: Shelved, artefact: str) -> Iterator[tuple[Shelf, Folder]]:
    """The set, open and marked as read, so that no pruning takes it away meanwhile. FileNotFoundError."""
    with ExitStack() as stack:
        shelf = stack.enter_context(open_shelf(at.destination, at.target, make=False))
        folder = stack.enter_context(closing(shelf.folder.folder(artefact)))
        if not in_use(folder, alone=False):
            raise FileNotFoundError(f"{artefact} is being removed at this moment")
        yield shelf, folder


def remember_look(
    at: Shelved, shelf: Shelf, folder: Folder, artefact: str, check: Check, *, adopt: bool = False
) -> None:
    """Adds a look at an open set to what is remembered of it. OSError when it can be kept neither there nor aside."""
    remember(folder, shelf.folder, artefact, check, at.aside)
    found = read_artefact(shelf, artefact, at.aside)
    if adopt and check.verdict == GOOD and found.claimed_ms and found.verified:
        ledger.enter(at.aside, found.verified)
    # A passing drill may have lifted what kept it from being the newest. Where nothing can be written the look is made
    # and remembered all the same; the next set that is stored mends the link, and this suite never goes by it.
    with suppress(OSError, BackupFailed):
        repoint_latest(shelf, at.aside)
