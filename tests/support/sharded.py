"""A real cluster on 127.0.0.1: three primaries with one replica each, started by the tests."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.support.replicated import wait_until
from tests.support.server import Server

SLOTS = 16_384
NODE_TIMEOUT_MS = 1_500


class Shards:
    """`servers[n]` for n < 3 begin as primaries, `servers[n + 3]` as their replicas."""

    def __init__(self, directory: Path, *, binary: str | None = None, primaries: int = 3) -> None:
        self.primaries = primaries
        self.servers = [
            Server(
                directory / f"node{n}",
                binary=binary,
                cluster=True,
                mark=False,
                options=(
                    *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0"),
                    *("--appendfsync", "everysec", "--cluster-announce-ip", "127.0.0.1", "--repl-timeout", "5"),
                ),
            )
            for n in range(primaries * 2)
        ]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in self.servers[: self.primaries])

    def start(self) -> Shards:
        for server in self.servers:
            server.start()
        per = SLOTS // self.primaries
        for n, server in enumerate(self.servers[: self.primaries]):
            last = SLOTS - 1 if n == self.primaries - 1 else (n + 1) * per - 1
            self.do(server, "CLUSTER", "ADDSLOTSRANGE", n * per, last)
            self.do(server, "CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        first = self.servers[0]
        for server in self.servers[1:]:
            self.do(server, "CLUSTER", "MEET", "127.0.0.1", first.port, first.cluster_port)
        wait_until(lambda: all(len(self.nodes(s)) == len(self.servers) for s in self.servers), "the nodes met")
        for n, server in enumerate(self.servers[self.primaries :]):
            self.do(server, "CLUSTER", "REPLICATE", self.id_of(self.servers[n]))
        self.wait_whole()
        return self

    def do(self, server: Server, *command: str | int) -> bytes:
        with server.client() as client:
            client.response_callbacks.clear()
            answer: bytes = client.execute_command(*command)
        return answer

    def nodes(self, server: Server) -> list[list[str]]:
        return [line.split() for line in self.do(server, "CLUSTER", "NODES").decode().splitlines()]

    def id_of(self, server: Server) -> str:
        return self.do(server, "CLUSTER", "MYID").decode()

    def alive(self) -> list[Server]:
        return [s for s in self.servers if s.process is not None]

    def owner_of(self, key: str) -> Server:
        """The primary that serves a key's slot, as the others say."""
        asked = self.alive()[0]
        slot = int(self.do(asked, "CLUSTER", "KEYSLOT", key))
        with asked.client() as client:
            client.response_callbacks.clear()
            for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return next(s for s in self.servers if s.port == primary[1])
        raise AssertionError(f"nobody serves slot {slot}")

    def replicas_of(self, primary: Server) -> list[Server]:
        own = self.id_of(primary)
        ports = {int(row[1].split("@")[0].rpartition(":")[2]) for row in self.nodes(primary) if row[3] == own}
        return [s for s in self.alive() if s.port in ports]

    def wait_whole(self) -> None:
        """Until every node calls the cluster well, and every primary has an online replica."""
        wait_until(lambda: all(self._well(s) for s in self.servers), "the cluster is whole")

    def kill(self, server: Server) -> None:
        server.stop(signal.SIGKILL)

    def wait_for_another(self, key: str, than: Server) -> Server:
        wait_until(lambda: self.owner_of(key) is not than and self._well_enough(self.owner_of(key)), "a failover")
        return self.owner_of(key)

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def _well_enough(self, server: Server) -> bool:
        return b"cluster_state:ok" in self.do(server, "CLUSTER", "INFO")

    def _well(self, server: Server) -> bool:
        with server.client() as client:
            rows = client.info("replication")
        online = [
            v for k, v in rows.items() if k.startswith("slave") and isinstance(v, dict) and v["state"] == "online"
        ]
        linked = rows.get("master_link_status") == "up"
        return self._well_enough(server) and (len(online) == 1 if rows["role"] == "master" else linked)
