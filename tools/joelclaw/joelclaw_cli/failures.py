"""What an error means to an operator: a code for programs, one line, how to mend it, and the exit code.

| exit | means                                                              |
|------|--------------------------------------------------------------------|
| 0    | done                                                               |
| 1    | a fault: the store, the machine, a refusal                         |
| 2    | the command line or the configuration is wrong; nothing was done   |
| 3    | what was asked for does not exist                                  |
| 130  | interrupted                                                        |
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

FAULT, USAGE, NOT_FOUND, INTERRUPTED = 1, 2, 3, 130


class Failure(Exception):
    """A command that did not succeed, ready to be told. `message` has no final dot."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fix: str = "",
        exit_code: int = FAULT,
        next_actions: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = " ".join(message.split())
        self.fix = fix
        self.exit_code = exit_code
        self.next_actions = next_actions


def not_found(what: str, name: str, *, look: str) -> Failure:
    """`look` is the command that lists what there is."""
    return Failure(
        "not_found",
        f"there is no {what} {name}",
        fix=f"see what there is: {look}",
        exit_code=NOT_FOUND,
        next_actions=((look, f"list every {what}"),),
    )


def usage(message: str, *, fix: str = "") -> Failure:
    return Failure("usage", message, fix=fix, exit_code=USAGE)


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean X?` or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def only_cause(error: BaseException) -> BaseException:
    """The fault inside a task group's groups; of several the first: the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def failure_of(error: BaseException) -> Failure:
    """Any error as a Failure. An ExceptionGroup is told by its first member."""
    import click

    error = only_cause(error)
    if isinstance(error, Failure):
        return error
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "joelclaw"
        return usage(error.format_message(), fix=f"{path} --help shows how it is called")
    if isinstance(error, click.Abort | KeyboardInterrupt):
        again = "what was asked for may be done or not: joelclaw bus runs shows what runs"
        return Failure("interrupted", "interrupted", fix=again, exit_code=INTERRUPTED)
    if isinstance(error, click.ClickException):
        return Failure("failed", error.format_message(), fix="joelclaw --help shows the commands")
    if isinstance(error, UnicodeError) and "surrogates" in str(error):
        return usage(
            "a word of the command line holds bytes that are no UTF-8", fix="joelclaw --help shows the commands"
        )
    return _of_libraries(error) or Failure(
        "internal", f"{type(error).__name__}: {error}", fix="this is a defect; JOELCLAW_DEBUG=1 shows where"
    )


_CODES = {
    "StoreUnavailable": ("store_unavailable", "start it with joelclaw up, or mend REDIS_URL", FAULT),
    "NotConfirmed": (
        "not_confirmed",
        "send it again with the same id; joelclaw doctor says which replicas are there",
        FAULT,
    ),
    "AddressInvalid": (
        "store_unknown",
        "mend REDIS_URL: docs/promises.md has its forms; joelclaw up needs none",
        USAGE,
    ),
    "StoreRefused": ("store_refused", "joelclaw doctor says what the store lacks, or what its user may not do", FAULT),
    "GroupMissing": ("store_refused", "joelclaw doctor says which functions have no group", FAULT),
    "StoreUnfit": ("store_unfit", "joelclaw doctor says what the store lacks", FAULT),
    "StoreNotStarted": ("store_not_started", "mend what it says, then joelclaw up", FAULT),
    "StateDirectoryBusy": ("state_directory_busy", "joelclaw down stops that suite", FAULT),
    "StateDirectoryUnusable": (
        "state_directory_unusable",
        "name an empty directory, or its own: joelclaw up --state-dir DIR",
        FAULT,
    ),
    "NameInvalid": ("name_invalid", "joelclaw bus streams lists the names that there are", USAGE),
    "EventInvalid": ("payload_invalid", "docs/events.md describes every field; joelclaw bus send --help", USAGE),
    "ConfigError": ("config_invalid", "joelclaw nas config show tells what is read from where", USAGE),
    "SettingsError": ("config_invalid", "joelclaw nas config show tells what is read from where", USAGE),
    "DamagedSet": (
        "copy_damaged",
        "restore another: joelclaw backup list; joelclaw backup verify ID reads all of this one again",
        FAULT,
    ),
    "NotRestored": (
        "restore_failed",
        "mend what it says, or name another directory with --into; joelclaw nas status tells of the copy's own place",
        FAULT,
    ),
    "BackupFailed": (
        "destination_unusable",
        "mend the destination, or name another (backup.destination.path): joelclaw nas status",
        FAULT,
    ),
    "IncidentUnknown": ("not_found", "see what there is: joelclaw heal list", NOT_FOUND),
    "HealingError": ("incident_refused", "see how it stands now: joelclaw heal list --closed", FAULT),
    "BusError": ("failed", "joelclaw doctor says what is wrong with the store", FAULT),
    "ContractError": ("invalid", "joelclaw nas config show tells what is read from where", USAGE),
    "PayloadInvalid": ("payload_invalid", "docs/events.md describes every field; joelclaw bus send --help", USAGE),
}


def _of_libraries(error: BaseException) -> Failure | None:
    """By class name, up the tree: the libraries that define them need not be loaded to tell a usage error."""
    for kind in type(error).__mro__:
        if kind.__module__.startswith("joelclaw_") and kind.__name__ in _CODES:
            code, fix, exit_code = _CODES[kind.__name__]
            return Failure(code, str(error), fix=fix, exit_code=exit_code)
    return None
