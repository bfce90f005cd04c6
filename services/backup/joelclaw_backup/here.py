"""Where a target's sets are, as the environment says: every place, looked at and listed. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from joelclaw_backup.address import Address, AddressInvalid, parse_address
from joelclaw_backup.artefacts import Artefact
from joelclaw_backup.destination import Destination, checking
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.killable import finished, run_here
from joelclaw_backup.looking import Shelved, listing
from joelclaw_backup.models import Model
from joelclaw_backup.policy import class_of
from joelclaw_backup.settings import aside_of, destination_of, staging_of
from joelclaw_backup.travel import remote_of
from joelclaw_contracts import Config, load_config
from joelclaw_contracts.config import state_directory


@dataclass(frozen=True, slots=True)
class Here:
    """What the environment says."""

    config: Config
    place: Destination
    remote: Destination | None
    staging: Destination
    state: Path
    source: Address | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Here:
        config, state = load_config(environ, home=Path(environ.get("HOME") or "/")), state_directory(environ)
        source = None
        with suppress(AddressInvalid):
            if url := config.backup.redis.url or environ.get("REDIS_URL"):
                source = parse_address(url)
        remote = remote_of(config)
        return cls(config, destination_of(config, state), remote, staging_of(config, state), state, source)

    def everywhere(self, target: str) -> list[Shelved]:
        """Every place of a target's sets, in the order of preference; for one who makes nothing there."""
        local = [] if is_unmade(self.place) else [replace(self.place, ours=False)]
        remote = [self.remote] if self.remote else []
        prefers = self.config.transport.nas is not None and self.config.transport.nas.prefer_remote
        places = [*remote, *local] if prefers else [*local, *remote]
        return [Shelved(place, target, aside_of(self.state, target)) for place in places]


def is_unmade(place: Destination) -> bool:
    """It is made by the first backup: looking makes nothing."""
    return place.ours and not place.root.exists()


def looked_at(place: Destination) -> Model:
    """As the provider's `destination` tells it."""
    model: Model = {"kind": place.kind, "path": str(place.path), "tier": place.tier, "label": place.label}
    model |= {"reserveBytes": place.reserve, "freeBytes": None}
    if is_unmade(place):
        return {**model, "state": "ok", "detail": "nothing was kept there yet"}
    try:
        told = run_here(place.path, checking, None, replace(place, ours=False))
    except (BackupFailed, OSError) as failed:
        return {**model, "state": class_of(failed).value, "detail": str(failed)}
    return {**model, "state": "ok", "detail": "", "freeBytes": told.pop("free"), **told}


def on_shelf(at: Shelved, killable: bool) -> list[Artefact]:
    """Every set of one place. BackupFailed."""
    place = at.destination
    if killable and place.ssh:  # the caller has a deadline of its own, and wants to hear of the other place too
        quick = replace(place.ssh, connect_timeout=min(3, place.ssh.connect_timeout))
        at = replace(at, destination=replace(place, ssh=quick))
    try:
        return finished(listing(at)) if killable else run_here(place.path, listing, None, at)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupFailed(class_of(error), f"{place.path} can't be listed: {error}") from error
