"""What the processes of system-bus must agree about: envelope, events, configuration.

Pure: pydantic and the standard library, no clock, no network; one file is read, by the configuration loader.

    names        the grammar of names and ids      events/    every event, one file a family
    functions    function ids, schedules           catalogue  event by name, routes, the answer `invalid`
    event        what every event is               schema     JSON Schema, for other languages
    envelope     the stream entry around it        config/    the one strict loader
    read_models  what a service writes for others to show
    errors       everything that can be wrong      strict_json, fields, complaint   how the above is done
"""

from .catalogue import CATALOGUE, KNOWN_ROUTES, answer_invalid, model_for, nearest_event
from .config import (
    Alerts,
    Approval,
    BackupDestination,
    Budgets,
    Config,
    Nas,
    Provenance,
    RouterKnobs,
    Runtime,
    Transport,
    config_path,
    load_config,
    template,
)
from .envelope import Envelope, is_traceparent
from .errors import ConfigError, ContractError, EnvelopeInvalid, NameInvalid, PayloadInvalid, Problem
from .event import EventModel, WireModel
from .events import (
    EVERY_DOMAIN,
    KNOWN_DOMAINS,
    Action,
    Audit,
    BackupFailureDetected,
    BackupRetryRequested,
    BackupRunRequested,
    BackupTarget,
    Evidence,
    FallbackAction,
    HealingCompleted,
    HealingRequested,
    HealthCheckRequested,
    HealthMode,
    Level,
    OtelEvent,
    Playbook,
    RetryDecision,
    RetryPolicy,
    RunContext,
    RuntimeHealthRequested,
    SendMessage,
    Status,
    TransportMode,
)
from .functions import DEFAULT_SCHEDULES, FUNCTION_IDS, BackupFunctionId, FunctionId
from .names import check_name, check_pattern, check_prefix, matches, nearest, normal_id
from .read_models import HEALTH_SLOT, CoverageRow, HealthCheck, HealthRound, Outcome

__all__ = [
    "CATALOGUE",
    "DEFAULT_SCHEDULES",
    "EVERY_DOMAIN",
    "FUNCTION_IDS",
    "HEALTH_SLOT",
    "KNOWN_DOMAINS",
    "KNOWN_ROUTES",
    "Action",
    "Alerts",
    "Approval",
    "Audit",
    "BackupDestination",
    "BackupFailureDetected",
    "BackupFunctionId",
    "BackupRetryRequested",
    "BackupRunRequested",
    "BackupTarget",
    "Budgets",
    "Config",
    "ConfigError",
    "ContractError",
    "CoverageRow",
    "Envelope",
    "EnvelopeInvalid",
    "EventModel",
    "Evidence",
    "FallbackAction",
    "FunctionId",
    "HealingCompleted",
    "HealingRequested",
    "HealthCheck",
    "HealthCheckRequested",
    "HealthMode",
    "HealthRound",
    "Level",
    "NameInvalid",
    "Nas",
    "OtelEvent",
    "Outcome",
    "PayloadInvalid",
    "Playbook",
    "Problem",
    "Provenance",
    "RetryDecision",
    "RetryPolicy",
    "RouterKnobs",
    "RunContext",
    "Runtime",
    "RuntimeHealthRequested",
    "SendMessage",
    "Status",
    "Transport",
    "TransportMode",
    "WireModel",
    "answer_invalid",
    "check_name",
    "check_pattern",
    "check_prefix",
    "config_path",
    "is_traceparent",
    "load_config",
    "matches",
    "model_for",
    "nearest",
    "nearest_event",
    "normal_id",
    "template",
]
