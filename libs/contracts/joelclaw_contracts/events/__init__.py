"""Every event of the suite, one file a family; what they share is in `parts`."""

from .backup import BackupFailureDetected, BackupRetryRequested, BackupRunRequested, BackupTarget, TransportMode
from .gateway import Audit, SendMessage
from .healing import (
    EVERY_DOMAIN,
    KNOWN_DOMAINS,
    FallbackAction,
    HealingCompleted,
    HealingRequested,
    Status,
)
from .health import HealthCheckRequested, HealthMode, RuntimeHealthRequested
from .otel import Level, OtelEvent
from .parts import Action, Evidence, Playbook, RetryDecision, RetryPolicy, RunContext

__all__ = [
    "EVERY_DOMAIN",
    "KNOWN_DOMAINS",
    "Action",
    "Audit",
    "BackupFailureDetected",
    "BackupRetryRequested",
    "BackupRunRequested",
    "BackupTarget",
    "Evidence",
    "FallbackAction",
    "HealingCompleted",
    "HealingRequested",
    "HealthCheckRequested",
    "HealthMode",
    "Level",
    "OtelEvent",
    "Playbook",
    "RetryDecision",
    "RetryPolicy",
    "RunContext",
    "RuntimeHealthRequested",
    "SendMessage",
    "Status",
    "TransportMode",
]
