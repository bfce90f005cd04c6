"""The router's judgement, found by its entry point: the command imports no service."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol

from joelclaw_cli.failures import Failure


class Judgement(Protocol):
    """What `joelclaw_router.provider` offers; each answer is JSON-able."""

    def replay(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]: ...
    def simulate(self, environ: dict[str, str], incidents: list[dict[str, Any]], config: str) -> dict[str, Any]: ...


def judgement() -> Judgement:
    """Failure `router_not_installed` where the service isn't."""
    for point in entry_points(group="joelclaw.providers", name="router"):
        provider: Judgement = point.load()
        return provider
    raise Failure(
        "router_not_installed", "the router is not installed beside this command", fix="install joelclaw-router"
    )
