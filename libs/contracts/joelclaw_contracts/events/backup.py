"""Backups: a failure that was detected, and the retry that its router asks for."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from joelclaw_contracts.event import EventModel
from joelclaw_contracts.fields import Count, Instant, JsonObject, Name, Text
from joelclaw_contracts.functions import BackupFunctionId

from .parts import RetryDecision, RetryPolicy
from .routed import ROUTED_FIELDS

BackupTarget = Literal["typesense", "redis"]
TransportMode = Literal["local", "remote", "queued"]
"""The mounted share, SSH, or the local queue that a drainer empties later."""

Hours = Annotated[float, Field(strict=True, gt=0, le=8760, allow_inf_nan=False)]


class _AboutABackup(EventModel):
    """What both events say."""

    event_name: ClassVar[str] = "system/backup.failure.detected"

    target_function_id: BackupFunctionId
    """The function whose backup failed; must be the one that owns `target`."""
    target: BackupTarget
    """What was to be backed up; the incident's target."""
    error: Text
    """What went wrong; classified by message only if `failureClass` is absent."""
    backup_failure_detected_at: Instant
    """When the incident's first failure was seen; the recovery window runs from here."""
    attempt: Count
    """The attempt at which it failed."""

    failure_class: Name | None = None
    """The typed cause, if the failing function knows it; decides before the message does."""
    transport_mode: TransportMode | None = None
    """How the copy travelled when it failed."""
    transport_attempts: Count | None = None
    """How often the transport tried."""
    transport_destination: Text | None = None
    """Where the copy was going."""
    retry_window_hours: Hours | None = None
    """The recovery window in force, hours; a retry due after it is `exhausted`."""
    context: JsonObject | None = None
    """Anything else, carried to the retry."""

    @model_validator(mode="after")
    def _function_owns_target(self) -> Self:
        owned = f"system/backup.{self.target}"
        if self.target_function_id != owned:
            raise PydanticCustomError(
                "conflict",
                'is "{given}" but target is "{target}", which "{owned}" owns',
                {
                    "field": "targetFunctionId",
                    "given": self.target_function_id,
                    "target": self.target,
                    "owned": owned,
                },
            )
        return self


class BackupFailureDetected(_AboutABackup):
    """A backup function's run ended in failure; written in the same atomic step as that end."""

    event_name: ClassVar[str] = "system/backup.failure.detected"


class BackupRunRequested(EventModel):
    """Make a backup now: a person or a program asks, outside the schedule. No retry: nothing failed before it."""

    event_name: ClassVar[str] = "backup/run.requested"
    carried: ClassVar[frozenset[str]] = ROUTED_FIELDS

    target: BackupTarget
    """What is to be backed up; a function that owns another target skips it."""
    requested_by: Name | None = None
    """Who asks; recorded with the artefact."""


class BackupRetryRequested(_AboutABackup):
    """Try this backup again now. A backup function that owns another target skips it, which is no success."""

    event_name: ClassVar[str] = "system/backup.retry.requested"
    carried: ClassVar[frozenset[str]] = ROUTED_FIELDS

    attempt: Count
    """The attempt that this asks for: the next one."""
    incident_id: Name
    """The incident whose budget this retry is charged to."""
    decision: RetryDecision
    """Why and how it was decided; recorded with the run."""
    next_attempt: Count | None = None
    """The same as `attempt`, as the router counts it."""
    retry_policy: RetryPolicy | None = None
    """The clamped policy in force."""
