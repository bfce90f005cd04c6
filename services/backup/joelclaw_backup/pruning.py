"""Retention carried out on a shelf. Blocking; a generator, for a child.

Only sets whose own manifest can be read are touched, never one that somebody reads or proves at this moment, and each
loses its name first, whole: what a crash leaves of it is a partial set, which the next sweep removes.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from joelclaw_backup import ledger
from joelclaw_backup.artefacts import Artefact, in_use, read_artefacts
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.layout import partial_name
from joelclaw_backup.partial import remove
from joelclaw_backup.records import ms_of
from joelclaw_backup.retention import Kept, Rule, keep
from joelclaw_backup.shelf import Shelf, open_shelf


def pruning_shelf(
    destination: Destination, target: str, rule: Rule, aside: Path, dry_run: bool
) -> Generator[None, None, dict[str, Any]]:
    """Prunes a target's shelf; see `pruning`."""
    with open_shelf(destination, target, make=False) as shelf:
        return (yield from pruning(shelf, rule, aside, dry_run=dry_run))


def pruning(
    shelf: Shelf, rule: Rule, aside: Path, *, dry_run: bool = False, spare: str = ""
) -> Generator[None, None, dict[str, Any]]:
    """spare: a set that stays this once, however old it looks: one just made, by a clock that was set back.

    {"pruned": [{"id", "bytes", "standing"}], "freedBytes", "kept": [{… , "why"}], "inUse": [id]}."""
    plan = keep([k for a in read_artefacts(shelf, aside) if (k := _kept(a))], now_ms(), rule)
    pruned, busy = [], []
    for old in (set_ for set_ in plan.prune if set_.id != spare):
        yield
        freed = old.bytes if dry_run else _prune(shelf, old.id)
        if freed is None:
            busy.append(old.id)
        else:
            if not dry_run:
                ledger.strike(aside, old.id)
            pruned.append({"id": old.id, "bytes": freed, "standing": old.standing})
    kept = [{"id": k.id, "bytes": k.bytes, "standing": k.standing, "why": list(plan.why[k.id])} for k in plan.keep]
    return {"pruned": pruned, "freedBytes": sum(p["bytes"] for p in pruned), "kept": kept, "inUse": busy}


def _kept(a: Artefact) -> Kept | None:
    """What retention may judge; None for what is not provably a set of ours."""
    if a.manifest is None or a.verified is None:
        return None
    return Kept(a.id, ms_of(a.verified.verified_at), a.manifest.bytes, a.standing)


def _prune(shelf: Shelf, artefact: str) -> int | None:
    """Bytes freed; None when somebody is at it."""
    with closing(shelf.folder.folder(artefact)) as folder:
        if not in_use(folder, alone=True):
            return None
        partial = partial_name(artefact, secrets.token_hex(4))
        shelf.folder.rename(artefact, partial)
        shelf.folder.sync()
        with closing(shelf.folder.folder(partial)) as there:
            return remove(partial, there, shelf.folder)
