"""The backup service's read models, found by its entry point: the command imports no service."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from joelclaw_cli.failures import NOT_FOUND, Failure

TARGETS = ("redis", "typesense")
Told = Callable[[int], None] | None
Model = dict[str, Any]


class Backups(Protocol):
    """What `joelclaw_backup.provider` offers; each answer is JSON-able."""

    def destination(self, environ: dict[str, str]) -> Model: ...
    def list_artefacts(self, environ: dict[str, str], target: str = "redis") -> list[Model]: ...
    def show(self, environ: dict[str, str], artefact: str) -> Model | None: ...
    def verify(self, environ: dict[str, str], artefact: str, told: Told = None) -> Model | None: ...
    def drill(self, environ: dict[str, str], artefact: str, told: Told = None) -> Model | None: ...
    def restore(
        self, environ: dict[str, str], artefact: str, into: str, *, force: bool = False, told: Told = None
    ) -> Model | None: ...
    def transports(self, environ: dict[str, str]) -> list[Model]: ...
    def queue(self, environ: dict[str, str]) -> Model: ...
    def retry(self, environ: dict[str, str], artefact: str) -> Model | None: ...
    def progress(self, environ: dict[str, str], target: str = "redis") -> Model | None: ...
    def prune(self, environ: dict[str, str], target: str = "redis", *, dry_run: bool = False) -> Model: ...


def backups() -> Backups:
    """Failure `backup_not_installed` where the service isn't."""
    for point in entry_points(group="joelclaw.providers", name="backup"):
        provider: Backups = point.load()
        return provider
    raise Failure(
        "backup_not_installed", "the backup service is not installed beside this command", fix="install joelclaw-backup"
    )


def environ_for(state_dir: Path) -> dict[str, str]:
    """The environment as the service of this state directory has it."""
    return {**os.environ, "JOELCLAW_STATE_DIR": str(state_dir.expanduser().absolute())}


def environ_with_source(state_dir: Path) -> dict[str, str]:
    """The same with the running suite's own store, where nothing else is named and it wants no login: then it is known
    whether the source changed since."""
    from joelclaw_bus.state_directory import StateDirectory

    environ = environ_for(state_dir)
    suite = None if environ.get("REDIS_URL") else StateDirectory(Path(environ["JOELCLAW_STATE_DIR"])).running_suite()
    return environ if suite is None or suite.get("login") else {**environ, "REDIS_URL": str(suite["redis_url"])}


def progress(state_dir: Path, target: str) -> Model | None:
    """How far the service of this state directory is with a transfer; None also where it can't be told: nobody waits
    for this, and a run goes on without it."""
    try:
        return backups().progress(environ_for(state_dir), target)
    except Exception:  # whatever the provider says of a configuration that is not the service's
        return None


def size_of(environ: dict[str, str], artefact: str) -> int | None:
    """Bytes of the copy that `verify` means, for its bar: `latest` is the newest, whatever it is worth; else None."""
    if artefact != "latest":
        found = backups().show(environ, artefact)
    else:
        every = [copy for target in TARGETS for copy in backups().list_artefacts(environ, target)]
        found = max(every, key=lambda copy: copy["id"], default=None)
    return found.get("bytes") if found else None


def no_copy(artefact: str, kind: str = "verified copy", claimed: str = "") -> Failure:
    """Failure `not_found`, in the words of what was asked for. kind: what `latest` means to the command; claimed: the
    newest that only says itself that it was proven."""
    target, _, name = artefact.rpartition("/")
    target = target if target in TARGETS else ""
    look = "joelclaw backup list"
    if claimed:
        return Failure(
            "not_found",
            f"no copy{f' of {target}' if target else ''} is verified here; {claimed} says itself that it was proven",
            fix=f"joelclaw backup verify {claimed} reads all of it and notes that; or ask for it by its id",
            exit_code=NOT_FOUND,
            next_actions=((f"joelclaw backup verify {claimed}", "from then on it is the latest"), (look, "every copy")),
        )
    what = f"there is no {kind}{f' of {target}' if target else ''}" if name == "latest" else ""
    return Failure(
        "not_found",
        what or f"there is no copy with the id {artefact}",
        fix=f"{look} shows what there is; joelclaw backup run {target or 'redis'} --wait makes one",
        exit_code=NOT_FOUND,
        next_actions=((look, "list every copy"),),
    )


def shown(state_dir: Path, artefact: str) -> Model:
    """All that is known of a copy. Failure `not_found`."""
    environ = environ_for(state_dir)
    told = backups().show(environ, artefact)
    if told is None:
        raise no_copy(artefact, claimed=_claimed(environ, artefact))
    return told


def _claimed(environ: dict[str, str], artefact: str) -> str:
    """The newest copy that is only claimed, for one who asked for the latest; else empty."""
    target, _, name = artefact.rpartition("/")
    if name != "latest":
        return ""
    wanted = [target] if target in TARGETS else TARGETS
    every = [copy for one in wanted for copy in backups().list_artefacts(environ, one) if copy["standing"] == "claimed"]
    newest = max(
        every, key=lambda copy: str(copy["verifiedAt"]), default=None
    )  # an id's own time is held against nothing
    return str(newest["id"]) if newest else ""
