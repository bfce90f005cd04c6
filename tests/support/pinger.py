"""A canary: pings a server from a process of its own, on a connection of its own, and keeps the worst answer.

with Pinger(server.port) as canary: ...
canary.worst_ms
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Pinger:
    def __init__(self, port: int) -> None:
        self.worst_ms = 0.0
        self._port = port

    def __enter__(self) -> Pinger:
        command = [sys.executable, "-m", "tests.support.pinger", str(self._port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "pinging\n"
        return self

    def __exit__(self, *error: object) -> None:
        out, _ = self._process.communicate(timeout=60)
        self.worst_ms = float(out)


def ping(port: int) -> float:
    """Every two milliseconds until stdin ends; the worst answer, ms."""
    worst = 0.0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not select.select([sys.stdin], [], [], 0.002)[0]:
            began = time.perf_counter()
            connection.sendall(b"PING\r\n")
            assert connection.recv(64) == b"+PONG\r\n"
            worst = max(worst, (time.perf_counter() - began) * 1000)
    return worst


if __name__ == "__main__":
    print("pinging", flush=True)
    print(ping(int(sys.argv[1])))
