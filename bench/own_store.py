"""A store for a measurement: a real Valkey in a folder of its own, append-only file on, a sync a second."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore


@dataclass(frozen=True)
class OwnStore:
    """`client`: blocking, for what the measurement itself asks the server."""

    url: str
    client: Any  # redis-py's unions say less than its calls

    def empty(self) -> None:
        """All gone, and the append-only file short again: no rewrite of it falls into what is measured next."""
        self.client.flushall()  # a server of our own, in a folder of our own
        self.rewrite()

    def rewrite(self) -> None:
        self.client.bgrewriteaof()
        while self.client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.01)

    def cpu_seconds(self) -> float:
        cpu = self.client.info("cpu")
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])

    def version(self) -> str:
        server = self.client.info("server")
        name = "Valkey" if "valkey_version" in server else "Redis"
        return f"{name} {server[f'{name.lower()}_version']}"


@contextmanager
def own_store() -> Iterator[OwnStore]:
    with tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        store = EmbeddedStore(EmbeddedSettings(Path(folder), port=0))
        store.start()
        try:
            with redis.Redis.from_url(store.url) as client:
                client.config_set("auto-aof-rewrite-percentage", 0)
                yield OwnStore(store.url, client)
        finally:
            store.stop()
