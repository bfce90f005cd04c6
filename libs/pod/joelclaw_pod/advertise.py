"""Where others reach the probes: the listening address, or this machine's own where it listens on all of them."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  recognised here, bound nowhere


def advertised(http: str) -> str:
    """The address to put into a heartbeat. A container listens everywhere and is reached by its own address."""
    parts = urlsplit(http)
    if parts.hostname not in EVERYWHERE:
        return http
    try:
        host = socket.gethostbyname(socket.gethostname())
    except OSError:  # a host that can't resolve itself: its name may still mean something to others
        host = socket.gethostname()
    return f"{parts.scheme}://{host}:{parts.port}"
