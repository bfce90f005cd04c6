"""Where each value may come from: the whole table of keys, variables and places in the file.

One precedence for every key, the specific over the general:

    BACKUP_*, NAS_*  >  SELF_HEALING_*  >  file backup*  >  file selfHealing.*  >  default
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .keeping import BackupDestination, RedisSource
from .model import Alerts, Approval, Budgets, Models, Routes
from .retrying import Nas, RouterKnobs, Transport
from .section import Section, wire_name
from .watching import Health, Runtime

CONFIG_VARIABLE = "JOELCLAW_CONFIG"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the file: the section's path, and the names that the key may have in it."""

    section: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One effective value.

    `at` is the attribute path from `Config` to its section, `name` the key that people read in provenance;
    `variables` and `places` are strongest first.
    """

    at: tuple[str, ...]
    section: type[Section]
    field: str
    name: str
    variables: tuple[str, ...]
    places: tuple[Place, ...]


_ROUTER_VARIABLES = {
    "model": ("BACKUP_FAILURE_ROUTER_MODEL", "SELF_HEALING_ROUTER_MODEL"),
    "fallback_model": ("BACKUP_FAILURE_ROUTER_FALLBACK_MODEL", "SELF_HEALING_ROUTER_FALLBACK_MODEL"),
    "max_retries": ("BACKUP_ROUTER_MAX_RETRIES", "SELF_HEALING_ROUTER_MAX_RETRIES"),
    "sleep_min_ms": ("BACKUP_ROUTER_SLEEP_MIN_MS", "SELF_HEALING_ROUTER_SLEEP_MIN_MS"),
    "sleep_max_ms": ("BACKUP_ROUTER_SLEEP_MAX_MS", "SELF_HEALING_ROUTER_SLEEP_MAX_MS"),
    "sleep_step_ms": ("BACKUP_ROUTER_SLEEP_STEP_MS", "SELF_HEALING_ROUTER_SLEEP_STEP_MS"),
}
_TRANSPORT_VARIABLES = {
    "recovery_window_hours": ("NAS_BACKUP_RECOVERY_WINDOW_HOURS", "SELF_HEALING_RECOVERY_WINDOW_HOURS"),
    "max_attempts": ("NAS_BACKUP_MAX_ATTEMPTS", "SELF_HEALING_MAX_ATTEMPTS"),
    "retry_base_ms": ("NAS_BACKUP_RETRY_BASE_MS", "SELF_HEALING_RETRY_BASE_MS"),
    "retry_max_ms": ("NAS_BACKUP_RETRY_MAX_MS", "SELF_HEALING_RETRY_MAX_MS"),
}
_NAS_VARIABLES = {
    "ssh_host": ("NAS_SSH_HOST", "SELF_HEALING_NAS_HOST"),
    "ssh_flags": ("NAS_SSH_FLAGS", "SELF_HEALING_NAS_FLAGS"),
    "hdd_root": ("NAS_HDD_ROOT", "SELF_HEALING_NAS_HDD_ROOT"),
    "nvme_root": ("NAS_NVME_ROOT", "SELF_HEALING_NAS_NVME_ROOT"),
    "remote_root": ("NAS_REMOTE_ROOT", "SELF_HEALING_NAS_REMOTE_ROOT"),
    "prefer_remote": ("NAS_BACKUP_PREFER_REMOTE",),
}
TRANSPORT_SECTIONS = ("backupTransport", "selfHealing.transport")
TRANSPORT_VARIABLES = frozenset(
    name for table in (_TRANSPORT_VARIABLES, _NAS_VARIABLES) for names in table.values() for name in names
)
"""A NAS is configured where one of these sections or variables is set."""


def _nas_name(section: type[Section], field: str) -> str:
    plain = wire_name(section, field)
    return "nas" + plain[0].upper() + plain[1:]


def _router(at: str, *sections: str) -> list[Key]:
    return [
        Key(
            (at,),
            RouterKnobs,
            field,
            f"{sections[0]}.{wire_name(RouterKnobs, field)}",
            variables[-len(sections) :],  # the self-healing router does not hear BACKUP_*
            tuple(Place(section, (wire_name(RouterKnobs, field),)) for section in sections),
        )
        for field, variables in _ROUTER_VARIABLES.items()
    ]


def _transport(
    at: tuple[str, ...], model: type[Section], table: Mapping[str, tuple[str, ...]], only_variable: tuple[str, ...] = ()
) -> list[Key]:
    return [
        Key(
            at,
            model,
            field,
            f"backupTransport.{_nas_name(model, field)}",
            variables,
            ()
            if field in only_variable
            else tuple(
                Place(section, (_nas_name(model, field), wire_name(model, field))) for section in TRANSPORT_SECTIONS
            ),
        )
        for field, variables in table.items()
    ]


def _plain(at: tuple[str, ...], model: type[Section]) -> list[Key]:
    section = ".".join(at)
    names = [(field, wire_name(model, field)) for field in model.model_fields]
    return [Key(at, model, field, f"{section}.{name}", (), (Place(section, (name,)),)) for field, name in names]


KEYS: tuple[Key, ...] = (
    *_router("healing_router", "selfHealing.router"),
    *_router("backup_router", "backupFailureRouter", "selfHealing.router"),
    *_transport(("transport",), Transport, _TRANSPORT_VARIABLES),
    *_transport(("transport", "nas"), Nas, _NAS_VARIABLES, only_variable=("prefer_remote",)),
    *_plain(("models",), Models),
    *_plain(("routes",), Routes),
    *_plain(("budgets",), Budgets),
    *_plain(("approval",), Approval),
    *_plain(("alerts",), Alerts),
    *_plain(("health",), Health),
    *_plain(("runtime",), Runtime),
    *_plain(("backup", "redis"), RedisSource),
    *_plain(("backup", "destination"), BackupDestination),
)
"""Every effective value but the schedules, in the order in which it is shown."""

VARIABLES: tuple[str, ...] = tuple(dict.fromkeys(name for key in KEYS for name in key.variables))
"""Every variable that the loader reads, besides `JOELCLAW_CONFIG`."""
