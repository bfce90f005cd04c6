"""Which configuration the live workers run: by their heartbeats, held against the file of this machine.

| seen                                                  | state   |
|-------------------------------------------------------|---------|
| a worker refused the one it was told to read          | finding |
| workers run different ones, or another than the file  | warning |
| no live worker says                                   | ok: nothing to compare |
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from joelclaw_bus.doctor.check import Check

if TYPE_CHECKING:
    from joelclaw_bus.inspect.workers import WorkerFacts
    from joelclaw_bus.store import Store

WHERE = "configuration"
RELOAD = "joelclaw nas config reload"


async def examine(store: Store) -> list[Check]:
    """Reads, and writes nothing. StoreUnavailable, StoreRefused."""
    from joelclaw_bus.inspect.workers import list_workers

    return judge([w for w in await list_workers(store) if w.live and w.config], _here())


def judge(workers: list[WorkerFacts], here: str) -> list[Check]:
    """here: the hash of this machine's file and environment, '' if they can't be read. Pure."""
    if not workers:
        return [Check("ok", WHERE, "no live worker says which one it runs")]
    refused = [
        Check("finding", WHERE, f"{w.service or w.id} refused the new one and runs {w.config[:12]}: {w.refused[:300]}",
              f"joelclaw nas config check, mend it, then {RELOAD}")
        for w in workers
        if w.refused
    ]  # fmt: skip
    if refused:
        return refused
    hashes = sorted({w.config[:12] for w in workers})
    if len(hashes) > 1:
        who = {h: ", ".join(sorted({w.service or w.id for w in workers if w.config[:12] == h})) for h in hashes}
        runs = "; ".join(f"{known} {names}" for known, names in who.items())
        return [Check("warning", WHERE, f"workers run different ones: {runs}", RELOAD)]
    if here and here[:12] != hashes[0]:
        what = f"services run {hashes[0]}, and file and environment here give {here[:12]}"
        return [Check("warning", WHERE, what, f"{RELOAD}, if they are meant for these services")]
    return [Check("ok", WHERE, f"all of {len(workers)} workers run {hashes[0]}")]


def _here() -> str:
    from joelclaw_contracts import ContractError, load_config

    try:
        return load_config(os.environ, home=Path.home()).hash
    except ContractError:  # told by the check of the alerts, which reads the same file
        return ""
