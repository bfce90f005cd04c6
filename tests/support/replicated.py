"""Real servers that stand in for each other: a primary with replicas and sentinels, all on 127.0.0.1."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import redis

from tests.support.server import Server, free_port

SERVICE = "bus"
DOWN_AFTER_MS = 2_000
"""At half a second the sentinels ping so rarely that a new primary on a busy machine is taken for dead at once, and its
last replica is promoted over it: a failover without a death, which no client can see."""
FAILOVER_MS = 6_000
"""For twice as long no sentinel begins another failover."""


def wait_until(holds: Callable[[], object], what: str, within: float = 40.0) -> None:
    """The bound only ends a broken test."""
    deadline = time.monotonic() + within
    while True:
        try:
            if holds():
                return
        except (redis.exceptions.RedisError, OSError):
            pass
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def role_of(server: Server) -> str:
    with server.client() as client:
        return str(client.info("replication")["role"])


def online_replicas(server: Server) -> int:
    with server.client() as client:
        rows = client.info("replication")
    return sum(1 for k, v in rows.items() if k.startswith("slave") and isinstance(v, dict) and v["state"] == "online")


class Sentinels:
    """One primary, `replicas` replicas and three sentinels that may fail it over."""

    def __init__(self, directory: Path, *, binary: str | None = None, replicas: int = 2, aof: bool = True) -> None:
        self.directory, self.aof = directory, aof
        options = ("--repl-diskless-sync-delay", "0", "--appendfsync", "everysec", "--repl-timeout", "5")
        self.servers = [
            Server(directory / f"server{n}", binary=binary, aof=aof, options=options, mark=n == 0)
            for n in range(replicas + 1)
        ]
        self._options = options
        self.ports = [free_port() for _ in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{hosts}/0?service={SERVICE}"

    def start(self) -> Sentinels:
        first = self.servers[0].start()
        for server in self.servers[1:]:
            self.start_replica(server, first)
        wait_until(lambda: online_replicas(first) == len(self.servers) - 1, "the replicas are online")
        for port in self.ports:
            self._start_sentinel(port, first.port)
        wait_until(lambda: all(self._knows_all(port) for port in self.ports), "the sentinels know each other")
        return self

    def start_replica(self, server: Server, primary: Server) -> None:
        server.options = (*self._options, "--replicaof", f"127.0.0.1 {primary.port}")
        server.mark = False
        server.start()

    def start_alone(self, server: Server) -> None:
        """As its supervisor would, who knows of no failover: it comes back as its own master."""
        server.options, server.mark = self._options, False
        server.start()

    def primary(self) -> Server:
        """The server that most sentinels name."""
        named = [self._named_by(port) for port in self.ports]
        port = max(set(named), key=named.count)
        return next(server for server in self.servers if server.port == port)

    def named(self) -> list[Server]:
        """Whom each sentinel names."""
        ports = [self._named_by(port) for port in self.ports]
        return [next(server for server in self.servers if server.port == port) for port in ports]

    def replicas(self) -> list[Server]:
        primary = self.primary()
        return [s for s in self.servers if s is not primary and s.process is not None]

    def wait_for_another(self, than: Server) -> Server:
        """The new primary, once every sentinel names it and it takes writes."""
        wait_until(
            lambda: (
                len({self._named_by(port) for port in self.ports}) == 1
                and self.primary() is not than
                and role_of(self.primary()) == "master"
            ),
            "a failover",
        )
        return self.primary()

    def wait_whole(self) -> None:
        """Until every server is there: one primary, and all others its online replicas."""
        most = len(self.servers) - 1
        wait_until(
            lambda: role_of(self.primary()) == "master" and online_replicas(self.primary()) == most,
            "every replica is back",
        )

    def stop_sentinels(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)

    def stop(self) -> None:
        self.stop_sentinels()
        for server in self.servers:
            server.stop()

    def _start_sentinel(self, port: int, primary: int) -> None:
        folder = self.directory / f"sentinel{port}"
        folder.mkdir(parents=True)
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile {folder}/sentinel.log\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} {FAILOVER_MS}\nsentinel parallel-syncs {SERVICE} 2\n"
        )
        command = [self.servers[0].binary, str(config), "--sentinel"]
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _ask(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, socket_timeout=2, protocol=2, decode_responses=True)

    def _knows_all(self, port: int) -> bool:
        with self._ask(port) as client:
            state = client.sentinel_master(SERVICE)
        return state["num-slaves"] == len(self.servers) - 1 and state["num-other-sentinels"] == len(self.ports) - 1

    def _named_by(self, port: int) -> int:
        with self._ask(port) as client:
            return int(client.sentinel_get_master_addr_by_name(SERVICE)[1])
