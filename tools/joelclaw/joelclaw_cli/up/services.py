"""The services of the suite, in one table. A new service is one line here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name, its module (for `python -m`), what it does. `argv` replaces the program in tests."""

    name: str
    module: str
    duty: str
    argv: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Its console script beside this interpreter, else the module."""
        if self.argv:
            return list(self.argv)
        script = Path(sys.executable).parent / f"joelclaw-{self.name}"
        return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", self.module]


SERVICES = (
    Service("router", "joelclaw_router", "who retries what, when, and when to stop"),
    Service("backup", "joelclaw_backup", "what is kept elsewhere, and proven restorable"),
    Service("runtime-remediator", "joelclaw_runtime_remediator", "is the runtime alive; if not, restart it safely"),
    Service("health", "joelclaw_health", "what is well, and who must hear when it is not"),
)


def environment(
    base: Mapping[str, str], *, redis_url: str, prefix: str, state_dir: Path, ready_file: Path, http_host: str
) -> dict[str, str]:
    """The operator's own environment, and what a service needs to know. A free HTTP port each: see its ready file."""
    # JOELCLAW_DEBUG is the command's own; a service refuses a setting that it does not know.
    own = {k: v for k, v in base.items() if k != "JOELCLAW_DEBUG"}
    return {
        **own,
        "REDIS_URL": redis_url,
        "JOELCLAW_PREFIX": prefix,
        "JOELCLAW_STATE_DIR": str(state_dir),
        "JOELCLAW_READY_FILE": str(ready_file),
        "JOELCLAW_HTTP_HOST": http_host,
        "JOELCLAW_HTTP_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
