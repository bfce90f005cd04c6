"""The configuration as health's own values. Pure, but for what is installed beside us and which disk a path is on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from joelclaw_contracts import Config
from joelclaw_contracts.config import PlaceMissing, Runtime, backup_place
from joelclaw_health.cadence import longest_ms
from joelclaw_health.judge import Thresholds
from joelclaw_health.plan import CHECK_FUNCTION, Voices
from joelclaw_health.probes.artefact import Shelf, is_installed
from joelclaw_health.probes.destination import Destination

BACKED_UP = {"redis": "system/backup.redis", "typesense": "system/backup.typesense"}
DIGEST_FUNCTION = "system/health.digest"
NOBODY = "alerts go to the terminal of joelclaw up only: alerts.owners names nobody who could hear them elsewhere"


@dataclass(frozen=True, slots=True)
class Settings:
    """Times as their names say. `looks`: at most so many in one round; `findings`: those that configuration makes."""

    schedule: str
    thresholds: Thresholds
    recheck: float
    timeout: float
    silent_ms: int
    waiting_ms: int
    free_mb: int
    looks: int
    destinations: tuple[Destination, ...] = ()
    shelves: tuple[Shelf, ...] = ()
    runtime: Runtime = field(default_factory=Runtime)
    retired: frozenset[str] = frozenset()
    who: Voices = field(default_factory=Voices)
    digest: str = ""
    """When the daily digest goes out; '' never (tests)."""
    heartbeat_url: str | None = field(default=None, repr=False)
    heartbeat_every: float = 60.0
    canaries: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def cadence_ms(self, now: int) -> int:
        """How far apart rounds are, ms."""
        return longest_ms(self.schedule, now)


def read_settings(config: Config, state_dir: Path) -> Settings:
    health = config.health
    findings = [] if config.alerts.channels(None) else [NOBODY]
    destinations: tuple[Destination, ...] = ()
    try:
        destinations = (_destination(config, state_dir),)
    except PlaceMissing as missing:
        findings.append(str(missing))
    findings += [f"{name} is switched off: health.retired names it" for name in health.retired]
    return Settings(
        schedule=config.schedules[CHECK_FUNCTION],
        thresholds=Thresholds(
            health.confirmations,
            health.closings,
            health.recheck_ms // 2,
            health.start_grace_ms,
            health.flap_openings,
            health.flap_window_ms,
        ),
        recheck=health.recheck_ms / 1000,
        timeout=health.probe_timeout_ms / 1000,
        silent_ms=health.silent_ms,
        waiting_ms=health.waiting_ms,
        free_mb=health.free_mb,
        looks=max(health.confirmations, health.closings),
        destinations=destinations,
        shelves=tuple(_shelves(config)) if is_installed() else (),
        runtime=config.runtime,
        retired=frozenset(health.retired),
        who=Voices(config.alerts.default_owner or "", config.alerts.channels(None)),
        digest=config.schedules[DIGEST_FUNCTION],
        heartbeat_url=health.heartbeat_url,
        heartbeat_every=health.heartbeat_every_ms / 1000,
        canaries=health.canaries,
        findings=tuple(findings),
    )


def _destination(config: Config, state_dir: Path) -> Destination:
    """Where the backup service writes, by the rule that it goes by. PlaceMissing."""
    place = backup_place(config, state_dir)
    name = "destination/local" if place.ours else f"destination/{place.tier}"
    return Destination(name, "ours" if place.ours else place.kind, str(place.root), place.label)


def _shelves(config: Config) -> Iterable[Shelf]:
    for target, function in BACKED_UP.items():
        yield Shelf(target, function, config.schedules[function])
