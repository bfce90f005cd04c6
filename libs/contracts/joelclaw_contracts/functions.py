"""The suite's functions by id, and the schedules that they have unless configuration changes them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

BackupFunctionId = Literal["system/backup.typesense", "system/backup.redis"]
"""The functions that make backups; each owns one target."""

FunctionId = Literal[
    "system/self-healing.router",
    "system/backup.failure.router",
    "system/check-system-health",
    "system/backup.typesense",
    "system/backup.redis",
    "system/self-healing.inngest-runtime",
    "system/self-healing.investigator",
    "system/health.digest",
]

FUNCTION_IDS: tuple[FunctionId, ...] = get_args(FunctionId)

DEFAULT_SCHEDULES: Mapping[str, str] = MappingProxyType(
    {
        "system/check-system-health": "*/15 * * * *",
        "system/backup.typesense": "TZ=America/Los_Angeles 0 3 * * *",
        "system/backup.redis": "TZ=America/Los_Angeles 30 3 * * *",
        "system/self-healing.inngest-runtime": "TZ=America/Los_Angeles */10 * * * *",
        "system/self-healing.investigator": "TZ=America/Los_Angeles */10 * * * *",
        "system/health.digest": "TZ=America/Los_Angeles 0 9 * * *",
    }
)
"""Cron by function id. A function that is absent here runs on events alone and can't be given a schedule."""
