"""The configuration, loaded strictly and once. Reading order: `model`, `sources`, `load`.

cron, kinds     the kinds of value         document    the file and its known keys
model           sections and defaults      variables   the environment's text
sources         which key comes whence     provenance  origins, redaction, hash
effective       all sections together      template    what `config init` writes
load            the loader              place         where backups are kept
"""

from .document import config_path
from .effective import Config
from .load import load_config
from .model import (
    Alerts,
    Approval,
    Backup,
    BackupDestination,
    Budgets,
    Health,
    Models,
    Nas,
    RouterKnobs,
    Routes,
    Runtime,
    Schedules,
    Transport,
)
from .place import SENTINEL, BackupPlace, PlaceMissing, backup_place, state_directory
from .provenance import Provenance, Source
from .template import template

__all__ = [
    "SENTINEL",
    "Alerts",
    "Approval",
    "Backup",
    "BackupDestination",
    "BackupPlace",
    "Budgets",
    "Config",
    "Health",
    "Models",
    "Nas",
    "PlaceMissing",
    "Provenance",
    "RouterKnobs",
    "Routes",
    "Runtime",
    "Schedules",
    "Source",
    "Transport",
    "backup_place",
    "config_path",
    "load_config",
    "state_directory",
    "template",
]
