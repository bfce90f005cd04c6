"""Who acts, and why: the store's ACL user where there is one, else the user of this machine.

A name for the record: the bus does not prove it. Whoever may write to the store can send an event with any name in it.
"""

from __future__ import annotations

import os
import pwd
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
    return user if user != "default" else f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    """By the process's own number: LOGNAME and USER are what whoever calls us says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number has no name
        return f"uid-{os.getuid()}"
