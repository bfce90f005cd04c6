"""`joelclaw down`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command, state_option
from joelclaw_cli.failures import NOT_FOUND, Failure

if TYPE_CHECKING:
    from rich.console import RenderableType

PATIENCE = 40.0  # services' grace, then the store's


@command(
    "down",
    examples=[
        ("joelclaw down", "stop the suite, as Ctrl-C in its terminal would"),
        ("joelclaw down --state-dir DIR", "stop the one of another state directory"),
    ],
)
def down(state_dir: Path) -> Answer:
    """Stop the suite of a state directory.

    Also ends what a killed `joelclaw up` left running. Waiting runs and due events are kept. Exits 3 for a directory
    that no suite ever ran in: a misspelt one must not look like one that was stopped.
    """
    from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore
    from joelclaw_bus.state_directory import StateDirectory
    from joelclaw_cli.render import good
    from joelclaw_cli.up.child import end_orphans

    state, ended = StateDirectory(state_dir), list[str]()
    if not state.is_one:
        there = "is no state directory" if state.path.exists() else "does not exist"
        raise Failure(
            "not_found",
            f"{state.path} {there}: nothing was ever started there",
            fix="name the directory that joelclaw up was given: joelclaw down --state-dir DIR",
            exit_code=NOT_FOUND,
        )
    holder = state.holder()
    deadline = time.monotonic() + PATIENCE
    while holder == 0 and time.monotonic() < deadline:  # it says in a moment who it is, or is gone
        time.sleep(0.05)
        holder = state.holder()
    if holder is not None:
        if holder:
            os.kill(holder, signal.SIGTERM)
        while state.holder() is not None:
            if time.monotonic() > deadline:
                what = f"process {holder} has not stopped after {PATIENCE:.0f} s"
                raise Failure("still_running", what, fix=f"kill -KILL {holder}, then joelclaw down once more")
            time.sleep(0.05)
        ended.append("suite")
    state.open()
    ended += end_orphans(state.services, grace=10.0)
    if EmbeddedStore(EmbeddedSettings(state.store)).end_orphan():
        ended.append("store")
    state.close()

    def view() -> Iterable[RenderableType]:
        yield good(f"stopped: {', '.join(ended)}" if ended else f"nothing runs in {state.path}")

    return Answer({"state_dir": str(state.path), "ended": ended}, view, (("joelclaw up", "start it again"),))


down.params.insert(0, state_option())
