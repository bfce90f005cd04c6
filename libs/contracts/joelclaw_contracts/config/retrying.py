"""How failures are retried, and how a backup travels: the routers' knobs, the transport, the NAS."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from .kinds import Attempts, CeilingMs, FloorMs, Retries, RootPath, SshFlags, SshHost, Switch, WindowHours, Word
from .section import Section

DEFAULT_SSH_FLAGS = (
    "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2",
)  # fmt: skip


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
