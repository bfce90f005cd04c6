"""The configuration, loaded strictly and once. Reading order: a room of sections, `sources`, `load`.

cron, kinds     the kinds of value           document    the file and its known keys
model, retrying, watching, keeping,          variables   the environment's text
schedules       the sections, on `section`   provenance  origins, redaction, hash
sources         which key comes whence       template    what `config init` writes
effective       all sections together        place       where backups are kept
load            the loader                   reference   system-bus.config.example.md
"""

from .document import config_path
from .effective import Config
from .keeping import Backup, BackupDestination
from .load import load_config
from .model import Alerts, Approval, Budgets, Models, Routes
from .place import SENTINEL, BackupPlace, PlaceMissing, backup_place, state_directory
from .provenance import Provenance, Source
from .retrying import Nas, RouterKnobs, Transport
from .schedules import Schedules
from .template import template
from .watching import Health, Runtime

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
