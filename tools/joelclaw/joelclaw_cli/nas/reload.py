"""`joelclaw nas config reload`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.workers import WorkerFacts
    from joelclaw_bus.store import Store

LOOK = 0.2  # seconds


@command(
    "reload",
    store=True,
    examples=[
        ("joelclaw nas config reload", "check it, then SIGHUP to every service of the suite here"),
        ("joelclaw nas config reload --wait 60", "give them a minute to say that it is in force"),
    ],
)
@click.option("--wait", type=click.FloatRange(1, 600), default=30.0, show_default=True, help="Seconds for that.")
def reload(place: Place, wait: float) -> Answer:
    """Let the running services read it again.

    Those of the suite of this state directory. A bad configuration is refused here already, with all that is wrong.
    Each service takes the new one within seconds; runs in hand end as they began, and drawn decisions stay. Exits 1
    when one of them refused it or did not say in time.
    """
    from joelclaw_contracts import load_config

    wanted = load_config(os.environ, home=Path.home()).hash
    pids = running(place.state_dir)
    if not pids:
        raise Failure(
            "nothing_runs",
            f"no service of {place.state_dir} runs here",
            fix="joelclaw up starts them; one that runs elsewhere takes SIGHUP: kill -HUP PID",
        )
    for pid in pids.values():
        with suppress(ProcessLookupError):  # it ended meanwhile; its successor reads the new one
            os.kill(pid, signal.SIGHUP)
    told = place.run(lambda store: _until_said(store, pids, wanted, wait))
    rows = [
        {"service": name, "pid": pid, "config": w.config if (w := told.get(name)) else None,
         "refused": w.refused if w else None, "inForce": bool(w and w.config == wanted and not w.refused)}
        for name, pid in pids.items()
    ]  # fmt: skip
    late = [str(row["service"]) for row in rows if not row["inForce"]]

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good, table, warning

        drawn = ((r["service"], str(r["pid"]), str(r["config"] or "not told")[:12], r["refused"] or "") for r in rows)
        yield table(("service", "process", "configuration", "refused"), drawn, empty="none")
        yield warning(f"not in force in {', '.join(late)}") if late else good(f"in force: {wanted[:12]}")

    trouble = None
    if late:
        trouble = Failure(
            "not_in_force",
            f"{', '.join(late)} did not say within {wait:g} s that {wanted[:12]} is in force",
            fix="joelclaw doctor says what they run; their environment may set what this one does not",
        )
    return Answer({"hash": wanted, "services": rows}, view, (("joelclaw doctor", "what each runs"),), trouble)


def running(state_dir: Path) -> dict[str, int]:
    """The services of a state directory by name. A lock that is held has the number of the process that holds it."""
    from joelclaw_bus.file_lock import FileLock

    found = {}
    for path in sorted((state_dir / "services").glob("*.lock")):
        lock = FileLock(path)
        if lock.take():
            lock.leave()  # nobody holds it: that service is gone
        elif (text := lock.holder()).isdigit():
            found[path.stem] = int(text)
    return found


async def _until_said(store: Store, pids: dict[str, int], wanted: str, wait: float) -> dict[str, WorkerFacts]:
    """The freshest heartbeat of each process, once all say it, or one of them says that it refused."""
    import anyio

    from joelclaw_bus.inspect.workers import list_workers

    found: dict[str, WorkerFacts] = {}
    with anyio.move_on_after(wait):
        while True:
            by_pid = {w.pid: w for w in reversed(await list_workers(store))}
            found = {name: by_pid[pid] for name, pid in pids.items() if pid in by_pid}
            if len(found) == len(pids) and all(w.config == wanted or w.refused for w in found.values()):
                break
            await anyio.sleep(LOOK)
    return found
