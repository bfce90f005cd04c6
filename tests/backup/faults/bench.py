"""A source, a destination with a good set on it, and what must hold after every fault."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from joelclaw_backup import provider
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.functions import ROUNDS
from joelclaw_backup.here import Here
from joelclaw_backup.killable import finished
from joelclaw_backup.layout import is_artefact_id
from joelclaw_backup.looking import reading_again
from joelclaw_backup.policy import class_of
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.settings import BackupSettings
from joelclaw_backup.ssh_options import SshOptions
from joelclaw_backup.staging import StagedGone
from joelclaw_contracts.config import SENTINEL
from tests.backup.conftest import back_up, settings_of
from tests.support.server import Server

BYTES = 8 * 1024 * 1024
UNCHECKED = -(1 << 50)
"""A reserve that makes every check of free space pass: then the disk itself says when it is full."""

GIVEN_UP = threading.Event()
"""Set when whoever runs the campaigns is ended: each stops before its next kill, and takes down what it put up."""

Hook = Callable[[], object]


@dataclass
class Bench:
    """`root`: the destination; `good`: the set that was on it before the fault."""

    source: Server
    folder: Path
    kind: str = "directory"
    good: str = ""
    counter: int = field(default=0)
    ssh: SshOptions | None = None
    """How the root is reached where it is not looked at as this machine's."""
    target: str = "redis"
    until: float = math.inf
    """When a campaign is given up, by the monotonic clock."""

    @property
    def is_over(self) -> bool:
        return GIVEN_UP.is_set() or time.monotonic() > self.until

    @property
    def root(self) -> Path:
        return self.folder / "nas"

    def settings(self, **more: Any) -> BackupSettings:
        settings = settings_of(self.source, self.root)
        kind = "ssh" if self.ssh else self.kind
        place = replace(settings.destination, kind=kind, ssh=self.ssh, reserve=more.pop("reserve", 0))
        return replace(settings, destination=place, **more)

    async def prepare(self) -> None:
        """A good set, of a source that is then made larger."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.kind == "mount" or self.ssh:
            (self.root / SENTINEL).touch()
        with self.source.client() as client:
            self.source.empty()
            client.config_set("rdbcompression", "no")
            client.set("first", os.urandom(64 * 1024))
            *_, published = await back_up(RedisBackup(self.settings()), "before", 1_795_000_000_000)
            self.good = published["id"]
            client.set("big", os.urandom(BYTES))

    async def attempt(
        self,
        settings: BackupSettings | None = None,
        *,
        before: dict[str, Hook] | None = None,
        patience: float = 90.0,
        at_ms: int = 0,
    ) -> tuple[str, str]:
        """One backup, step by step: (outcome, failure class). before: what is done before the step of that name."""
        self.counter += 1
        backup, hooks, taken = RedisBackup(settings or self.settings()), before or {}, {}

        async def step(name: str, act: Callable[..., Awaitable[Any]], *args: Any) -> Any:
            await anyio.to_thread.run_sync(hooks.get(name, lambda: None))
            return await act(*args)

        async def taken_and_copied(name: str) -> Any:
            nonlocal taken
            for round in range(ROUNDS):
                at = at_ms or 1_795_000_000_000 + self.counter * 1000
                taken = await step("take", backup.take, name, round, "", at)
                with suppress(StagedGone):
                    return await step("copy", backup.copy, taken)
                hooks.pop("copy", None)  # once is enough
            raise AssertionError("it was swept in every round")

        try:
            with anyio.fail_after(patience):
                copied = await taken_and_copied(f"fault:{self.counter}")
                proven = await step("verify", backup.verify, taken, copied)
                published = await step("publish", backup.publish, taken, copied, proven)
        except BackupFailed as failed:
            await backup.discard(taken)
            return "failed", class_of(failed).value
        return ("stored" if self.is_listed(published["id"]) else "stored, not listed"), ""

    def environ(self) -> dict[str, str]:
        config = self.folder / "config.json"
        config.write_text(json.dumps({"backup": {"destination": {"path": str(self.root), "kind": self.kind}}}))
        return {
            "HOME": str(self.folder),
            "JOELCLAW_CONFIG": str(config),
            "JOELCLAW_STATE_DIR": str(self.folder / "state"),
        }

    def is_listed(self, id: str) -> bool:
        return any(a["id"] == id and a["verified"] for a in provider.list_artefacts(self.environ(), self.target))

    def misses(self, *, at_least: int = 1) -> list[str]:
        """What must hold after every fault, and does not."""
        wrong = []
        environ = self.environ()
        listed = provider.list_artefacts(environ, self.target, killable=True)
        (at,) = Here.of(environ).everywhere(self.target)
        if not any(a["id"] == self.good for a in listed):
            wrong.append("the good set is gone")
        for a in listed:
            try:
                inspected, after = finished(reading_again(at, a["id"]))  # as verify does; here: no disk hangs any more
            except FileNotFoundError as error:
                wrong += self._pruned(a["id"], error)
                continue
            if not a["verified"] or inspected.findings or after.standing != "verified":
                wrong.append(f"{a['id']} is listed, and is {a['standing']}: {a['problem'] or inspected.findings}")
        if len(listed) < at_least:
            wrong.append(f"{len(listed)} sets are listed, {at_least} were stored")
        latest = self.root / "backups" / self.target / "latest"
        if not latest.is_symlink() or not is_artefact_id(os.readlink(latest)) or not latest.exists():
            wrong.append("latest points at nothing")
        return wrong

    def _pruned(self, id: str, error: FileNotFoundError, seconds: float = 30.0) -> list[str]:
        """What one who was killed was about to remove is gone as soon as its child has heard of that: no miss, but for
        the good set."""
        end = time.monotonic() + seconds
        while id != self.good and self.is_listed(id):
            if time.monotonic() > end:
                return [f"{id} is listed, and can't be read: {error}"]
            time.sleep(0.05)
        return ["the good set was pruned"] if id == self.good else []


@contextmanager
def meanwhile(there: Callable[[], bool], act: Callable[[], object], seconds: float = 60.0) -> Iterator[None]:
    """`act` once, in a thread, as soon as `there`: in the middle of what the block does."""
    over, done = threading.Event(), threading.Event()

    def watch() -> None:
        end = time.monotonic() + seconds
        while not over.is_set() and time.monotonic() < end:
            if there():
                act()
                done.set()
                return
            time.sleep(0.0005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert done.is_set(), "it never came to the moment of the fault"


def is_copying(root: Path, least: int = 1) -> bool:
    """Whether a copy has begun and is not at its end."""
    try:
        return any(least <= p.stat().st_size < BYTES for p in root.glob("backups/redis/*.partial/dump.rdb"))
    except OSError:
        return False
