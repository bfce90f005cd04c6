"""What the `joelclaw` command asks of us (entry point group `joelclaw.providers`): plain functions, JSON-able answers.

The command imports no service; it finds this module by its entry point and calls these. Each takes the environment, as
the service does, and looks at the shelf: never at the store, never at a run. All work at the destination is done in a
child, so that a share that hangs ends as an answer. ConfigError, SettingsError and BackupFailed tell what is wrong, in
one line; `told` hears how many bytes were handled since it was last called.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio

from joelclaw_backup.artefacts import Artefact, newest_verified, worth
from joelclaw_backup.checks import Check, remember_aside
from joelclaw_backup.clock import now_ms
from joelclaw_backup.drill import drill as drill_set
from joelclaw_backup.drill import since
from joelclaw_backup.failure import BackupFailed, DamagedSet, NotRestored
from joelclaw_backup.here import Here, looked_at, on_shelf
from joelclaw_backup.killable import Told, run_here
from joelclaw_backup.looking import Shelved, finding, reading_again, remembering
from joelclaw_backup.models import Model, artefact_model, drill_model, verdict_model
from joelclaw_backup.policy import class_of
from joelclaw_backup.pruning import pruning_shelf
from joelclaw_backup.records import iso
from joelclaw_backup.restoring import restoring_set
from joelclaw_backup.settings import rule_of
from joelclaw_backup.typesense.settings import server_of
from joelclaw_backup.ways import progress, queue, retry, transports

TARGETS = ("redis", "typesense")
__all__ = [
    "destination",
    "drill",
    "list_artefacts",
    "newest",
    "progress",
    "prune",
    "queue",
    "restore",
    "retry",
    "show",
    "transports",
    "verify",
]


def destination(environ: Mapping[str, str]) -> Model:
    """{"kind", "path", "tier", "label", "state", "detail", "freeBytes", "reserveBytes"}; state is `ok` or the class of
    what is wrong with it."""
    return looked_at(Here.of(environ).place)


def list_artefacts(environ: Mapping[str, str], target: str = "redis", *, killable: bool = False) -> list[Model]:
    """Every set of a target: newest verified first, then what is claimed, then the rest, each with its problem.

    killable: the caller is a child that can be killed itself, and needs none of ours.
    """
    found = _listed(Here.of(environ), target, killable)
    newest = newest_verified(found)
    return [artefact_model(a, a is newest) for a in found]


def newest(environ: Mapping[str, str], target: str = "redis") -> Model | None:
    """The newest verified set: all that may be believed of a target's backups. None: there is none."""
    return next((model for model in list_artefacts(environ, target) if model["verified"]), None)


def show(environ: Mapping[str, str], artefact: str) -> Model | None:
    """All that is known of a set: its line of the list, its manifest, and what later looks found."""
    found = _found(Here.of(environ), artefact)
    if found is None:
        return None
    a = found[1]
    return {
        **artefact_model(a, False),
        "manifest": a.manifest.model_dump(mode="json", by_alias=True) if a.manifest else None,
        "proof": a.verified.model_dump(mode="json", by_alias=True) if a.verified else None,
        "checks": a.checks.model_dump(mode="json", by_alias=True) if a.checks else None,
    }


def verify(environ: Mapping[str, str], artefact: str, told: Told | None = None) -> Model | None:
    """Reads a set again, all of it, and compares; `artefact` is an id or `latest`, the newest whatever it is worth.
    `ok` only where it stands as verified afterwards: what an earlier look found is not lifted by a good reading. A
    claimed one is verified by it.
    None where there is no such set."""
    here = Here.of(environ)
    if (found := _found(here, artefact, doubtful=True)) is None:
        return None
    at, set_ = found
    try:
        inspected, after = run_here(at.destination.path, reading_again, told, at, set_.id, adopt=True)
    except (OSError, TimeoutError) as error:
        _remember(at, set_.id, _unmade("verify", error))
        raise BackupFailed(class_of(error), f"{set_.id} can't be read again: {error}") from error
    return verdict_model(after, inspected)


def drill(environ: Mapping[str, str], artefact: str, told: Told | None = None) -> Model | None:
    """Restores a set in a throwaway server and compares it with what its source held. None: there is no such set."""
    here = Here.of(environ)
    if (found := _found(here, artefact)) is None:
        return None
    at, set_ = found
    try:
        drilled = anyio.run(partial(drill_set, typesense=server_of(environ)), at, set_.id, here.staging, told)
    except (OSError, TimeoutError) as error:
        _remember(at, set_.id, _unmade("drill", error))
        raise BackupFailed(class_of(error), f"{set_.id} can't be drilled: {error}") from error
    after = _remember(at, set_.id, drilled.check)
    source = anyio.run(since, drilled.manifest, here.source) if drilled.manifest else "unknown"
    return drill_model(set_, drilled, source, after)


def restore(
    environ: Mapping[str, str], artefact: str, into: str, *, force: bool = False, told: Told | None = None
) -> Model | None:
    """Puts a set's files into a directory, and reads them there again. None where there is no such set."""
    here = Here.of(environ)
    if (found := _found(here, artefact)) is None:
        return None
    at, set_ = found
    try:
        return run_here(at.destination.path, restoring_set, told, at, set_.id, Path(into), force)
    except DamagedSet:
        raise
    except BackupFailed as failed:
        raise NotRestored(failed.failure_class, str(failed)) from failed
    except (OSError, TimeoutError) as error:
        raise NotRestored(class_of(error), f"{set_.id} can't be restored into {into}: {_told(error)}") from error


def prune(environ: Mapping[str, str], target: str = "redis", *, dry_run: bool = False) -> Model:
    """Retention now; see `pruning.py`."""
    here = Here.of(environ)
    done: Model = {"pruned": [], "freedBytes": 0, "kept": [], "inUse": []}
    for at in here.everywhere(target):
        place = at.destination
        try:
            told = run_here(place.path, pruning_shelf, None, place, target, rule_of(here.config), at.aside, dry_run)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BackupFailed(class_of(error), f"{place.path} can't be pruned: {error}") from error
        done = {name: done[name] + told[name] for name in done}
    return done


def _listed(here: Here, target: str, killable: bool) -> list[Artefact]:
    """Of every place that can be read, each set once; BackupFailed where none can."""
    found: dict[str, Artefact] = {}
    troubles, places = [], here.everywhere(target)
    for at in places:
        try:
            for a in on_shelf(at, killable):
                if a.id not in found or worth(a) > worth(found[a.id]):
                    found[a.id] = a
        except BackupFailed as failed:
            troubles.append(failed)
    if troubles and len(troubles) == len(places):
        raise troubles[0]
    return sorted(found.values(), key=worth, reverse=True)


def _found(here: Here, artefact: str, *, doubtful: bool = False) -> tuple[Shelved, Artefact] | None:
    """By its id, `latest` (of all targets) or `TARGET/latest`: the newest of what is meant, wherever it lies. A place
    that can't be read matters only if nothing is found."""
    wanted, _, name = artefact.rpartition("/")
    found: list[tuple[Shelved, Artefact]] = []
    trouble: BackupFailed | None = None
    for at in (at for target in TARGETS if wanted in ("", target) for at in here.everywhere(target)):
        place = at.destination
        try:
            found.append((at, run_here(place.path, finding, None, at, name, doubtful)))
        except FileNotFoundError:
            continue
        except BackupFailed as failed:
            trouble = failed
        except OSError as error:
            trouble = BackupFailed(class_of(error), f"{place.path} can't be read: {error}")
    if trouble is not None and not found:
        raise trouble
    return max(found, key=lambda pair: pair[1].id if doubtful else worth(pair[1]), default=None)


def _told(error: OSError) -> str:
    """Without its number, and with the file it is about: one of several is in the way."""
    return f"{error.filename}: {error.strerror}" if error.strerror and error.filename else error.strerror or str(error)


def _unmade(by: str, error: BaseException) -> Check:
    """A look that came to no end: nothing is known, which is no good news."""
    return Check.model_validate({"at": iso(now_ms()), "by": by, "verdict": str(class_of(error)), "detail": str(error)})


def _remember(at: Shelved, artefact: str, check: Check) -> Artefact | None:
    """There, or where that hangs, aside: then how the set stands is not known, and None. BackupFailed when it can be
    remembered nowhere: the caller must hear that."""
    try:
        return run_here(at.destination.path, remembering, None, at, artefact, check)
    except (OSError, BackupFailed):
        try:
            remember_aside(at.aside, artefact, check)
        except OSError as error:
            told = f"{artefact}: {check.verdict} was found ({check.detail}) and can't be remembered: {error}"
            raise BackupFailed(class_of(error), told) from error
    return None
