"""One Typesense server over HTTP. Blocking; every call has a deadline, and every failure its class.

| answer                                     | class                                                   |
|--------------------------------------------|---------------------------------------------------------|
| 401, 403                                   | permission-denied                                       |
| 408, 425, 429, 5xx                         | server-unavailable                                      |
| any other status                           | snapshot-refused                                        |
| none in time                               | timeout; for a snapshot: wedged, since it may be at work |
| no connection, or it broke                 | as the system says it                                   |
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of

CONNECT_SECONDS = 10.0
MOST_LINE = 64 * 1024 * 1024
"""A document larger than this is none: the connection is broken."""


@dataclass(frozen=True, slots=True)
class Status:
    """role: `leader`, `follower` …; index: what its raft has committed and carried out, -1 where it does not say, or
    has work left to do."""

    role: str
    index: int
    version: str


@dataclass(frozen=True, slots=True)
class Typesense:
    """Where it is, and the key it wants. seconds: how long it may be silent."""

    url: str
    key: str = field(repr=False)
    seconds: float = 60.0

    def status(self) -> Status:
        """Its part and its raft's index."""
        debug, status = self.get("/debug"), self.get("/status", optional=True) or {}
        role = str(status.get("state") or {1: "leader", 4: "follower"}.get(debug.get("state"), "unknown"))
        index = -1 if status.get("queued_writes") else int(status.get("committed_index", -1))
        return Status(role.lower(), index, str(debug.get("version", "")))

    def healthy(self) -> bool:
        """Whether it serves. BackupFailed when it does not answer at all."""
        return bool((self.get("/health", optional=True) or {}).get("ok"))

    def snapshot(self, path: str, seconds: float) -> int:
        """Asks for a snapshot into a directory of the server's: the status it answered with, which proves nothing.
        BackupFailed: `wedged` when there was no answer in time."""
        asked = f"/operations/snapshot?{urlencode({'snapshot_path': path})}"
        with self._asked("POST", asked, seconds, silent=FailureClass.WEDGED) as response:
            response.read(4096)
            return response.status

    def get(self, path: str, *, optional: bool = False) -> Any:
        """What it answers, as JSON; None for 404 where that is `optional`: a version that does not know it."""
        with self._asked("GET", path, self.seconds) as response:
            raw = response.read()
            if optional and response.status in (404, 503):
                return None
            require_ok(self.url, path, response.status, raw)
        try:
            return json.loads(raw)
        except ValueError:
            raise BackupFailed(FailureClass.UNKNOWN, f"Typesense {self.url}{path} answers no JSON") from None

    def documents(self, collection: str) -> Iterator[bytes]:
        """Every document of a collection, one line of JSON each, as they come."""
        path = f"/collections/{quote(collection, safe='')}/documents/export"
        with self._asked("GET", path, self.seconds) as response:
            if response.status != 200:
                require_ok(self.url, path, response.status, response.read(4096))
            while line := response.readline(MOST_LINE):
                if line.strip():
                    yield line

    @contextmanager
    def _asked(
        self, method: str, path: str, seconds: float, *, silent: FailureClass = FailureClass.TIMEOUT
    ) -> Iterator[http.client.HTTPResponse]:
        """silent: what it is that took the question and says nothing."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=min(seconds, CONNECT_SECONDS))
        asked = False
        with closing(connection):
            try:
                connection.connect()
                asked = True
                connection.sock.settimeout(seconds)
                headers = {"X-TYPESENSE-API-KEY": self.key, "Connection": "close"}
                connection.request(method, parts.path + path, headers=headers)
                with closing(connection.getresponse()) as response:
                    yield response
            except http.client.HTTPException as error:
                told = f"Typesense {self.url} broke off its answer: {type(error).__name__}"
                raise BackupFailed(FailureClass.CONNECTION_RESET, told) from error
            except TimeoutError as error:
                told = f"Typesense {self.url} gave no answer to {method} {path.partition('?')[0]}"
                if asked and silent is FailureClass.WEDGED:
                    told += f" within {seconds:g} s: it is wedged, and may be at it still"
                raise BackupFailed(silent if asked else FailureClass.TIMEOUT, told) from error
            except OSError as error:
                told = f"Typesense {self.url} does not answer: {error.strerror or error}"
                raise BackupFailed(class_of(error), told) from error


def require_ok(url: str, path: str, status: int, raw: bytes) -> None:
    """BackupFailed, by the table above, unless it is a success."""
    if 200 <= status < 300:
        return
    said = " ".join(raw[:200].decode("utf-8", "replace").split())
    raise BackupFailed(class_of_status(status), f"Typesense {url}{path.partition('?')[0]} says {status}: {said}")


def class_of_status(status: int) -> FailureClass:
    if status in (401, 403):
        return FailureClass.PERMISSION_DENIED
    if status >= 500 or status in (408, 425, 429):
        return FailureClass.SERVER_UNAVAILABLE
    return FailureClass.SNAPSHOT_REFUSED
