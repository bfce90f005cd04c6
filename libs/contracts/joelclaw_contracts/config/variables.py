"""The environment: text to value, and variables that look like ours but are not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from joelclaw_contracts.errors import Problem
from joelclaw_contracts.names import nearest

from .section import Section
from .sources import VARIABLES

_CLOSED_PREFIXES = ("SELF_HEALING_ROUTER_", "BACKUP_FAILURE_ROUTER_", "BACKUP_ROUTER_", "NAS_BACKUP_", "NAS_SSH_")
"""Under these, only our variables may stand: anything else is a slip, and would be ignored silently."""

_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")
"""What Kubernetes injects for a Service, which may well be called `self-healing-router` or `nas-backup`."""

_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """The variable's text without surrounding spaces; None if unset or blank (`X=` in a compose file)."""
    return environ.get(name, "").strip() or None


def parse(section: type[Section], field: str, text: str) -> Any:
    """The text as the field's type; left as text if it can't be, so that validation complains about it."""
    annotation = section.model_fields[field].annotation
    kinds = {annotation, *get_args(annotation)}
    if bool in kinds:
        return _BOOLEANS.get(text.lower(), text)
    # Not int() and float(): those also take "1_000", "１" and "nan".
    if int in kinds and re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if float in kinds and re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", text):
        return float(text)
    return text


def misspelt(environ: Mapping[str, str]) -> Iterator[Problem]:
    """A problem for every variable under our prefixes that nothing reads."""
    for name in sorted(environ):
        if name.startswith(_CLOSED_PREFIXES) and name not in VARIABLES and not _KUBERNETES.search(name):
            near = nearest(name, VARIABLES)
            yield Problem(name, None, f"is no known variable; {f'did you mean {near}?' if near else 'unset it'}")
