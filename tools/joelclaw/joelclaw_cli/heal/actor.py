"""Who acts, and why: the store's ACL user where there is one, else the user of this machine."""

from __future__ import annotations

import getpass
import socket

from joelclaw_bus.errors import StoreRefused
from joelclaw_bus.store import Store
from joelclaw_cli.failures import usage


def check_reason(reason: str) -> None:
    """Whoever looks next must find one."""
    if not reason.strip():
        raise usage("--reason is empty", fix="say why; it goes into the record")


async def actor(store: Store) -> str:
    """A name for the record."""
    try:
        user = (await store.call("ACL", "WHOAMI")).decode()
    except StoreRefused:  # a user may be forbidden to ask who it is
        user = "default"
    return user if user != "default" else f"{getpass.getuser()}@{socket.gethostname()}"
