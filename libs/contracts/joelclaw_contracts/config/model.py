"""The configuration as services see it: frozen, typed, complete. Every default and bound stands here, once.

Names follow the file's, in snake_case. What a value came from is in `provenance`, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from joelclaw_contracts.catalogue import KNOWN_ROUTES
from joelclaw_contracts.functions import DEFAULT_SCHEDULES
from joelclaw_contracts.names import nearest

from .kinds import (
    Attempts,
    CeilingMs,
    Channels,
    Command,
    Confirmations,
    Cron,
    DestinationKind,
    EventName,
    FloorMs,
    HttpUrl,
    Kept,
    Megabytes,
    RedisUrl,
    Retries,
    RootPath,
    Share,
    Spared,
    SshFlags,
    SshHost,
    Switch,
    Tier,
    Times,
    WaitMs,
    WindowHours,
    Word,
)

DEFAULT_MODELS = (
    "anthropic/claude-opus-4-6",
    "anthropic/claude-sonnet-4-6",
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-haiku-4-5",
    "gpt-5.4",
    "o4-mini",
    "o3",
)
DEFAULT_SSH_FLAGS = (
    "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2",
)  # fmt: skip


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    def _must_not_exceed(self, low: str, high: str) -> None:
        smaller, larger = getattr(self, low), getattr(self, high)
        if smaller > larger:
            raise PydanticCustomError(
                "range",
                "{low} is {smaller}, above {high}, which is {larger}",
                {"low": to_camel(low), "high": to_camel(high), "smaller": smaller, "larger": larger},
            )


class RouterKnobs(Section):
    """How a failure router retries, and which models may advise it."""

    model: Word | None = None
    """Model id asked first; None: no model."""
    fallback_model: Word | None = None
    """Model id asked when the first does not answer; None: none."""
    max_retries: Retries = 5
    """Attempts an incident has when its request names none; 0 escalates at once."""
    sleep_min_ms: FloorMs = 300_000
    """Base and floor of the delay, ms; below 5,000 it lowers the floor for requests too."""
    sleep_max_ms: CeilingMs = 14_400_000
    """Ceiling of the delay, ms."""
    sleep_step_ms: CeilingMs = 30_000
    """Width of the jitter, ms; the policy clamps it to `sleep_max_ms`."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        self._must_not_exceed("sleep_min_ms", "sleep_max_ms")
        return self


class Nas(Section):
    """The NAS. Its defaults hold only where a NAS section or variable is set."""

    ssh_host: SshHost = "joel@three-body"
    """host or user@host."""
    ssh_flags: SshFlags = DEFAULT_SSH_FLAGS
    """ssh's options as separate words, split as a shell would."""
    hdd_root: RootPath = "/Volumes/three-body"
    """Where the large share is mounted here."""
    nvme_root: RootPath = "/Volumes/nas-nvme"
    """Where the fast share is mounted here."""
    remote_root: RootPath = "/volume1/joelclaw"
    """The root on the NAS itself, for SSH."""
    prefer_remote: Switch = False
    """SSH first, the mount second."""


class Transport(Section):
    """How a backup's copy travels, and for how long it is tried."""

    recovery_window_hours: WindowHours = 4.0
    """An incident's retries must be due within this of its first failure, hours."""
    max_attempts: Attempts = 12
    """Tries of one transfer."""
    retry_base_ms: FloorMs = 10_000
    """First wait between tries, ms; it doubles."""
    retry_max_ms: CeilingMs = 120_000
    """Longest wait between tries, ms, before jitter."""
    nas: Nas | None = None
    """None: no NAS is configured, which is not an error and is never probed."""

    @property
    def configured(self) -> bool:
        """Whether there is a NAS to copy to."""
        return self.nas is not None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        self._must_not_exceed("retry_base_ms", "retry_max_ms")
        return self


class Models(Section):
    """Which models may advise."""

    allowed: tuple[Word, ...] = DEFAULT_MODELS
    """Model ids; replaces the default list. A configured model outside it stops the start."""
    deadline_ms: WaitMs = 8_000
    """How long a decision waits for advice, ms, all models together; then the policy decides alone."""
    shadow: Switch = False
    """Models are asked and their agreement is recorded, and the policy decides alone."""


class Routes(Section):
    """Where a retry may go."""

    allowed: tuple[EventName, ...] = ()
    """Event names besides those that the suite knows."""

    def permits(self, event_name: str) -> bool:
        """Whether a retry may send this event."""
        return event_name in KNOWN_ROUTES or event_name in self.allowed


class Budgets(Section):
    """How much may be done before a person is asked."""

    max_retries: Retries = 64
    """Ceiling over every request's and router's `maxRetries`."""
    retries_per_day: Times = 12
    """Retries per target, rolling 24 h."""
    acts_per_hour: Times = 3
    """Restarts and kills per target, rolling hour."""
    acts_per_day: Times = 7
    """Restarts and kills per target, rolling 24 h."""
    all_retries_per_hour: Times = 60
    """Retries of all targets together, rolling hour."""
    all_acts_per_hour: Times = 10
    """Restarts and kills of all targets together, rolling hour."""
    groups: dict[Word, Channels] = Field(default_factory=dict)
    """What fails together, by name: domains, or `domain/target`; a target that none names is in its domain's group."""
    storm_targets: Times = 5
    """So many targets of a group that fail within `storm_window_ms` are one storm; 0: there are none."""
    storm_window_ms: WaitMs = 900_000
    """Failures so close together have one cause, ms."""
    storm_cool_down_ms: CeilingMs = 600_000
    """A storm is over when no target of its group has failed for this long, ms."""
    report_ms: WaitMs = 3_600_000
    """A retry of which nothing is heard for this long is judged afresh, ms."""
    flap_outages: Times = 3
    """So many outages of a target in quick succession call a person, newer ones weighing more; 0: never."""
    flap_half_life_ms: WaitMs = 3_600_000
    """After this an outage weighs half, ms."""
    flap_long_outages: Times = 7
    """So many outages of a target within `flap_days`, however far apart, call a person; 0: never."""
    flap_days: Kept = 7
    """The long window of the flap rule, days."""
    group_share: Share = 0.3
    """Share of a group (one host, one NAS) that may be acted on at once; at least one target."""
    cool_down_ms: CeilingMs = 900_000
    """No second act within this, ms, unless a recovery that held ended it."""
    hold_ms: CeilingMs = 1_800_000
    """No act within this after one that failed, ms."""
    stability_ms: CeilingMs = 90_000
    """How long an act's target must stay good before it counts as mended, ms."""
    stability_passes: Confirmations = 6
    """Good probes in that time."""


class Approval(Section):
    """Which retries a person must allow first."""

    required: tuple[Word, ...] = ()
    """Domains, or `domain/target`, whose retries wait for `joelclaw heal approve`; empty: none."""
    expiry_ms: CeilingMs = 14_400_000
    """An approval that nobody gives within this, ms, is denied."""


class Alerts(Section):
    """Who hears what."""

    owners: dict[Word, Channels] = Field(default_factory=dict)
    """Owner to channels; a single channel may be given as a string."""
    targets: dict[Word, Word] = Field(default_factory=dict)
    """Who owns what: a domain, or `domain/target`, to its owner; else the first request's owner has it."""
    repeat_ms: WaitMs = 14_400_000
    """A page that nobody acknowledges is sent again after this, ms, to its owner and to the default owner; 0: never."""
    repeats: Spared = 3
    """So often."""
    default_owner: Word | None = None
    """Who hears when a target's owner is unknown; must be in `owners`."""

    def channels(self, owner: str | None) -> tuple[str, ...]:
        """The owner's channels, else the default owner's, else none."""
        return self.owners.get(owner or "") or self.owners.get(self.default_owner or "", ())

    @model_validator(mode="after")
    def _default_is_an_owner(self) -> Self:
        if self.default_owner is not None and self.default_owner not in self.owners:
            near = nearest(self.default_owner, self.owners)
            hint = f"did you mean {near}?" if near else "add it there"
            problem = f'is "{self.default_owner}", which alerts.owners does not hold; {hint}'
            raise PydanticCustomError("config", "{problem}", {"field": "defaultOwner", "problem": problem})
        return self


class Health(Section):
    """How components are probed, and when a sample becomes a verdict."""

    confirmations: Confirmations = 3
    """Failing samples in a row that open an act."""
    closings: Confirmations = 2
    """Good samples in a row that close it."""
    recheck_ms: WaitMs = 20_000
    """After a sample that contradicts the verdict, look again after this, ms; half of it is the least distance
    between two samples that both count."""
    start_grace_ms: WaitMs = 120_000
    """A component that started less than this ago opens nothing, ms."""
    flap_openings: Confirmations = 3
    """So many openings within `flap_window_ms` are flapping: three times as many good samples to close, no request."""
    flap_window_ms: WaitMs = 3_600_000
    """The window of the flap rule, ms."""
    probe_timeout_ms: FloorMs = 5_000
    """One probe may take this long, ms; after it the outcome is unknown."""
    silent_ms: FloorMs = 60_000
    """A worker whose last heartbeat is older is failing, ms; at least three of its own heartbeats."""
    waiting_ms: WaitMs = 600_000
    """Work that waits longer than this to be read or ended is failing, ms."""
    free_mb: Megabytes = 512
    """A destination with less free space is failing, MiB."""
    retired: tuple[Word, ...] = ()
    """Components that are checked no more; each is listed as switched off."""


class Runtime(Section):
    """The runtime that is watched and, if it has a command, restarted."""

    command: Command = ()
    """Program and arguments, started in a session of its own; empty: nothing is ever restarted."""
    url: HttpUrl | None = None
    """Where it answers 2xx when it is ready; None: its process alone is looked at."""
    state_file: RootPath | None = None
    """Which process it is; None: `runtime.json` in the suite's state directory."""
    probe_timeout_ms: FloorMs = 5_000
    """How long one probe may take, ms; longer is unknown, which never restarts."""
    confirm_every_ms: FloorMs = 10_000
    """Pause between two confirmations, ms."""
    settle_ms: FloorMs = 1_500
    """Pause between a restart and the first probe after it, ms."""
    start_grace_ms: CeilingMs = 120_000
    """How long a start may take before not answering counts, ms."""
    stop_ms: FloorMs = 10_000
    """How long SIGTERM may take before SIGKILL, ms."""

    @property
    def configured(self) -> bool:
        """Whether there is a runtime to look at."""
        return bool(self.command) or self.url is not None


class RedisSource(Section):
    """The Redis that is backed up."""

    url: RedisUrl | None = None
    """redis://, rediss://, unix:// or redis+sentinel://; None: the bus's own."""
    witness: Switch = True
    """Whether a throwaway replica tells what the source held when the dump was made, so that a restored copy is
    compared with the source itself: a second full synchronisation, and so much memory here. Else counts alone."""


class BackupDestination(Section):
    """Where verified copies are kept. With nothing set: the NAS if one is configured, else the state directory."""

    kind: DestinationKind | None = None
    """`mount`: nothing is written unless a file system is mounted there; `directory`: a plain one.
    None: `mount` for the NAS's root, else `directory`."""
    path: RootPath | None = None
    """The root; None: the NAS's root of `tier`, else the state directory. It is never created."""
    tier: Tier = "hdd"
    """Which of the NAS's roots, and the label of the copies."""
    keep: Kept = 7
    """How many of the newest verified copies of each target stay."""
    keep_daily: Spared = 7
    """So many days (UTC) keep the newest verified copy of theirs."""
    keep_weekly: Spared = 4
    """So many weeks keep theirs."""
    keep_monthly: Spared = 6
    """So many months keep theirs."""
    keep_at_least: Kept = 3
    """So many verified copies nothing ever prunes, whatever the numbers above are."""
    reserve_mb: Megabytes = 256
    """MiB that stay free at the destination and on this disk: a copy that would need them is not begun."""
    queue_cap_mb: Megabytes = 10_240
    """MiB that may wait on this disk while no way to the NAS is open; a backup that would not fit fails."""
    ssh_limit_mb: Megabytes = 0
    """MiB per second that a copy over SSH may use; 0: as many as there are."""


class Backup(Section):
    """What is backed up, and where to."""

    redis: RedisSource = RedisSource()
    """The Redis side; Typesense is configured by its own variables."""
    destination: BackupDestination = BackupDestination()
    """Where copies are kept."""


class Schedules(Section):
    """Cron by function id."""

    crons: Mapping[str, Cron] = Field(default_factory=lambda: dict(DEFAULT_SCHEDULES))
    """Every function that has a schedule."""

    def __getitem__(self, function_id: str) -> str:
        """The function's schedule; KeyError for one that has none."""
        return self.crons[function_id]

    def get(self, function_id: str) -> str | None:
        """The function's schedule; None for one that runs on events alone."""
        return self.crons.get(function_id)


def wire_name(section: type[Section], field: str) -> str:
    """A field's name in the file."""
    alias: Any = section.model_fields[field].alias
    return str(alias or field)
