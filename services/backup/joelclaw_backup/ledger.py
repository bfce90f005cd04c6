"""The hash of each proof that this suite wrote, kept in its own state directory. Blocking.

Seals have no key: who may write at the destination can write a set anew with records that agree (docs/decisions/0090,
0141). What they can't write is this: `<state>/backup-checks/<target>/<id>.proof`, the SHA-256 of `verified.json`, which
holds that of the manifest, which holds those of the data. A set that is not what stands here is damaged; one that
stands here not at all was proven by another suite, or by nobody, and that is told.
"""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

from joelclaw_backup.files import open_directory, read_small, replace_small
from joelclaw_backup.manifest import Verified
from joelclaw_backup.records import sha256

UNREADABLE = "unreadable"


def enter(aside: Path, verified: Verified) -> None:
    """Before the set gets its name. OSError."""
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(open_directory(aside)) as folder:
        replace_small(_name(verified.id), f"{hash_of(verified)}\n".encode(), folder)


def entered(aside: Path, artefact: str) -> str | None:
    """What was entered of a set; None: nothing. What can't be read is no set's hash."""
    try:
        with closing(open_directory(aside)) as folder:
            return read_small(_name(artefact), folder).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError:
        return UNREADABLE


def strike(aside: Path, artefact: str) -> None:
    """The set is gone. Trouble is no matter: nothing goes by the entry of a set that is not there."""
    with suppress(OSError):
        aside.joinpath(_name(artefact)).unlink()


def hash_of(verified: Verified) -> str:
    return sha256(verified.render())


def _name(artefact: str) -> str:
    return f"{artefact}.proof"
