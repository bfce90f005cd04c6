"""What the router reads at its start: the one configuration, strictly, and who it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from joelclaw_contracts import load_config
from joelclaw_router.rulebook import Rulebook


def read_rulebook(environ: Mapping[str, str], home: Path) -> Rulebook:
    """The rules in force. ConfigError names every problem of file and environment; then the router must not start."""
    return Rulebook(load_config(environ, home=home))
