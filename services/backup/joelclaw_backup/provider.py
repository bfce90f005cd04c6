"""What the `joelclaw` command asks of us (entry point group `joelclaw.providers`): plain functions, JSON-able answers.

The command imports no service; it finds this module by its entry point and calls these. Each takes the environment, as
the service does, and looks at the shelf: never at the store, never at a run. All work at the destination is done in a
child, so that a share that hangs ends as an answer. ConfigError, SettingsError and BackupFailed tell what is wrong, in
one line; `told` hears how many bytes were handled since it was last called.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio

from joelclaw_backup.address import Address, AddressInvalid, parse_address
from joelclaw_backup.artefacts import Artefact, newest_verified
from joelclaw_backup.checks import Check, remember_aside
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination, checking
from joelclaw_backup.drill import drill as drill_set
from joelclaw_backup.drill import since
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.killable import Told, finished, run_here
from joelclaw_backup.looking import Shelved, finding, listing, reading_again, remembering
from joelclaw_backup.manifest import iso
from joelclaw_backup.models import Model, artefact_model, drill_model, verdict_model
from joelclaw_backup.policy import class_of
from joelclaw_backup.pruning import pruning_shelf
from joelclaw_backup.restoring import restoring_set
from joelclaw_backup.settings import aside_of, destination_of, rule_of, staging_of
from joelclaw_backup.typesense.settings import server_of
from joelclaw_contracts import Config, load_config
from joelclaw_contracts.config import state_directory

TARGETS = ("redis", "typesense")


def destination(environ: Mapping[str, str]) -> Model:
    """{"kind", "path", "tier", "label", "state", "detail", "freeBytes", "reserveBytes"}; state is `ok` or the class of
    what is wrong with it."""
    place = _Here.of(environ).place
    model: Model = {"kind": place.kind, "path": str(place.root), "tier": place.tier, "label": place.label}
    model |= {"reserveBytes": place.reserve, "freeBytes": None}
    if _is_unmade(place):
        return {**model, "state": "ok", "detail": "nothing was kept there yet"}
    try:
        told = run_here(place.root, checking, None, replace(place, ours=False))
    except (BackupFailed, OSError) as failed:
        return {**model, "state": class_of(failed).value, "detail": str(failed)}
    return {**model, "state": "ok", "detail": "", "freeBytes": told["free"]}


def list_artefacts(environ: Mapping[str, str], target: str = "redis", *, killable: bool = False) -> list[Model]:
    """Every set of a target: newest verified first, then those that are not verified, each with its problem.

    killable: the caller is a child that can be killed itself, and needs none of ours.
    """
    found = _listed(_Here.of(environ), target, killable)
    newest = newest_verified(found)
    return [artefact_model(a, a is newest) for a in found]


def newest(environ: Mapping[str, str], target: str = "redis") -> Model | None:
    """The newest verified set: all that may be believed of a target's backups. None: there is none."""
    return next((model for model in list_artefacts(environ, target) if model["verified"]), None)


def show(environ: Mapping[str, str], artefact: str) -> Model | None:
    """All that is known of a set: its line of the list, its manifest, and what later looks found."""
    found = _found(_Here.of(environ), artefact)
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
    `ok` only where it stands as verified afterwards: what an earlier look found is not lifted by a good reading.
    None where there is no such set."""
    here = _Here.of(environ)
    if (found := _found(here, artefact, doubtful=True)) is None:
        return None
    at, set_ = found
    try:
        inspected, after = run_here(here.place.root, reading_again, told, at, set_.id)
    except (OSError, TimeoutError) as error:
        _remember(here, at, set_.id, _unmade("verify", error))
        raise BackupFailed(class_of(error), f"{set_.id} can't be read again: {error}") from error
    return verdict_model(after, inspected)


def drill(environ: Mapping[str, str], artefact: str, told: Told | None = None) -> Model | None:
    """Restores a set in a throwaway server and compares it with what its source held. None: there is no such set."""
    here = _Here.of(environ)
    if (found := _found(here, artefact)) is None:
        return None
    at, set_ = found
    try:
        drilled = anyio.run(partial(drill_set, typesense=server_of(environ)), at, set_.id, here.staging, told)
    except (OSError, TimeoutError) as error:
        _remember(here, at, set_.id, _unmade("drill", error))
        raise BackupFailed(class_of(error), f"{set_.id} can't be drilled: {error}") from error
    after = _remember(here, at, set_.id, drilled.check)
    source = anyio.run(since, drilled.manifest, here.source) if drilled.manifest else "unknown"
    return drill_model(set_, drilled, source, after)


def restore(
    environ: Mapping[str, str], artefact: str, into: str, *, force: bool = False, told: Told | None = None
) -> Model | None:
    """Puts a set's files into a directory, and reads them there again. None where there is no such set."""
    here = _Here.of(environ)
    if (found := _found(here, artefact)) is None:
        return None
    at, set_ = found
    try:
        return run_here(here.place.root, restoring_set, told, at, set_.id, Path(into), force)
    except (OSError, TimeoutError) as error:
        raise BackupFailed(class_of(error), f"{set_.id} can't be restored into {into}: {error}") from error


def prune(environ: Mapping[str, str], target: str = "redis", *, dry_run: bool = False) -> Model:
    """Retention now; see `pruning.py`."""
    here = _Here.of(environ)
    nothing: Model = {"pruned": [], "freedBytes": 0, "kept": [], "inUse": []}
    if _is_unmade(here.place):
        return nothing
    at = here.shelved(target)
    try:
        return run_here(
            here.place.root, pruning_shelf, None, at.destination, target, rule_of(here.config), at.aside, dry_run
        )
    except FileNotFoundError:
        return nothing
    except OSError as error:
        raise BackupFailed(class_of(error), f"{here.place.root} can't be pruned: {error}") from error


@dataclass(frozen=True, slots=True)
class _Here:
    """What the environment says."""

    config: Config
    place: Destination
    staging: Destination
    state: Path
    source: Address | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> _Here:
        config, state = load_config(environ, home=Path(environ.get("HOME") or "/")), state_directory(environ)
        source = None
        with suppress(AddressInvalid):
            if url := config.backup.redis.url or environ.get("REDIS_URL"):
                source = parse_address(url)
        return cls(config, destination_of(config, state), staging_of(config, state), state, source)

    def shelved(self, target: str) -> Shelved:
        """For one who makes nothing there."""
        return Shelved(replace(self.place, ours=False), target, aside_of(self.state, target))


def _is_unmade(place: Destination) -> bool:
    """It is made by the first backup: looking makes nothing."""
    return place.ours and not place.root.exists()


def _listed(here: _Here, target: str, killable: bool) -> list[Artefact]:
    if _is_unmade(here.place):
        return []
    try:
        if killable:
            return finished(listing(here.shelved(target)))
        return run_here(here.place.root, listing, None, here.shelved(target))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupFailed(class_of(error), f"{here.place.root} can't be listed: {error}") from error


def _found(here: _Here, artefact: str, *, doubtful: bool = False) -> tuple[Shelved, Artefact] | None:
    """By its id, `latest` (of all targets) or `TARGET/latest`."""
    if _is_unmade(here.place):
        return None
    wanted, _, name = artefact.rpartition("/")
    found: list[tuple[Shelved, Artefact]] = []
    for target in (target for target in TARGETS if wanted in ("", target)):
        at = here.shelved(target)
        try:
            found.append((at, run_here(here.place.root, finding, None, at, name, doubtful)))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BackupFailed(class_of(error), f"{here.place.root} can't be read: {error}") from error
    return max(found, key=lambda pair: (pair[1].verified_ms, pair[1].id), default=None)


def _unmade(by: str, error: BaseException) -> Check:
    """A look that came to no end: nothing is known, which is no good news."""
    return Check.model_validate({"at": iso(now_ms()), "by": by, "verdict": str(class_of(error)), "detail": str(error)})


def _remember(here: _Here, at: Shelved, artefact: str, check: Check) -> Artefact | None:
    """There, or where that hangs, aside: then how the set stands is not known, and None. BackupFailed when it can be
    remembered nowhere: the caller must hear that."""
    try:
        return run_here(here.place.root, remembering, None, at, artefact, check)
    except (OSError, BackupFailed):
        try:
            remember_aside(at.aside, artefact, check)
        except OSError as error:
            told = f"{artefact}: {check.verdict} was found ({check.detail}) and can't be remembered: {error}"
            raise BackupFailed(class_of(error), told) from error
    return None
