"""What is watched: the health checks, and the runtime that is restarted."""

from __future__ import annotations

from .kinds import CeilingMs, Command, Confirmations, FloorMs, HttpUrl, Megabytes, Places, RootPath, WaitMs, Word
from .section import Section


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
    canaries: Places = ()
    """Places (`host:port`) that depend on nothing watched here, like the network's gateway: when none of them answers,
    it is this machine that is cut off, and nothing acts. Empty: `heartbeat_url` stands for them, if it is set."""
    heartbeat_url: HttpUrl | None = None
    """Address outside that is asked as long as rounds end in time, so that its silence is an alarm elsewhere: the
    dead-man's switch. None: it is off."""
    heartbeat_every_ms: FloorMs = 60_000
    """Pause between two of these heartbeats, ms."""


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
