"""What the router reads at its start: the one configuration, strictly, who it is, and where models are asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from joelclaw_contracts import RouterKnobs, load_config
from joelclaw_router.advice.adviser import Adviser
from joelclaw_router.advice.client import ModelClient
from joelclaw_router.request import BACKUP
from joelclaw_router.rulebook import Rulebook

MODEL_URL, MODEL_KEY = "SELF_HEALING_MODEL_BASE_URL", "SELF_HEALING_MODEL_API_KEY"


def read_rulebook(environ: Mapping[str, str], home: Path) -> Rulebook:
    """The rules in force. ConfigError names every problem of file and environment; then the router must not start."""
    return Rulebook(load_config(environ, home=home))


def read_advisers(environ: Mapping[str, str], rules: Rulebook) -> dict[str, Adviser]:
    """Who may advise, per domain ('' all but backups). Nobody without the address: a model's name alone asks none."""
    url = environ.get(MODEL_URL, "").strip().rstrip("/")
    if not url:
        return {}
    client = ModelClient(url, environ.get(MODEL_KEY, ""))
    wanted = {"": rules.config.healing_router, BACKUP: rules.config.backup_router}
    found = {domain: _adviser(client, knobs, rules) for domain, knobs in wanted.items()}
    return {domain: adviser for domain, adviser in found.items() if adviser is not None}


def _adviser(client: ModelClient, knobs: RouterKnobs, rules: Rulebook) -> Adviser | None:
    models = tuple(dict.fromkeys(m for m in (knobs.model, knobs.fallback_model) if m))
    settings = rules.config.models
    return Adviser(client, models, settings.deadline_ms / 1000, settings.shadow) if models else None
