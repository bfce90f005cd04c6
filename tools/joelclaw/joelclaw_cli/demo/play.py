"""The play: a stage, three acts one after another under one deadline, a verdict each."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from joelclaw_cli.demo import backup_act, restart_act, takeover_act
from joelclaw_cli.demo.proofs import Facts, Proof, Verdict, backup_proofs, restart_proofs, takeover_proofs
from joelclaw_cli.demo.stage import Stage, open_stage
from joelclaw_cli.demo.telling import Teller
from joelclaw_cli.demo.watch import NotSeen
from joelclaw_cli.failures import Failure

DEADLINE = 90.0


@dataclass(frozen=True, slots=True)
class Act:
    """`play` breaks something and fills the facts; `prove` judges them."""

    name: str
    title: str
    play: Callable[[Stage, Teller, dict[str, Any]], Awaitable[None]]
    prove: Callable[[Facts], list[Proof]]


ACTS = (
    Act("backup", backup_act.TITLE, backup_act.play, backup_proofs),
    Act("takeover", takeover_act.TITLE, takeover_act.play, takeover_proofs),
    Act("restart", restart_act.TITLE, restart_act.play, restart_proofs),
)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it. `folder`: what was kept, if anything."""

    verdicts: Sequence[Verdict]
    folder: str = ""


async def play(tell: Teller, *, keep: bool, deadline: float = DEADLINE) -> Played:
    """All acts; those after a failed one too, while there is time. Failure when there is no stage.
    KeyboardInterrupt after Ctrl-C, with everything ended and removed."""
    done: list[Played] = []
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as tasks:

            async def interrupt() -> None:
                async for _ in signals:
                    tell.line("interrupted; ending and removing what was started", style="yellow")
                    tasks.cancel_scope.cancel()

            tasks.start_soon(interrupt)
            done.append(await _play(tell, keep, deadline))
            tasks.cancel_scope.cancel()
    if not done:
        raise KeyboardInterrupt
    return done[0]


async def _play(tell: Teller, keep: bool, deadline: float) -> Played:
    end = anyio.current_time() + deadline
    verdicts: list[Verdict] = []
    folder = ""
    tell.line("a store and four services are started, on a folder and a port of their own")
    with anyio.CancelScope(deadline=end) as scope:
        async with open_stage(keep=keep) as stage:
            folder = str(stage.folder)
            tell.line(f"ready: {stage.redis_url}")
            await restart_act.ask(stage, restart_act.FIRST)
            for number, act in enumerate(ACTS, 1):
                tell.headline(number, act.title)
                verdicts.append(await _act(act, stage, tell, end, deadline))
                tell.verdict(verdicts[-1])
            tell.gap()
    if scope.cancelled_caught and not verdicts:
        raise Failure("demo_not_started", f"the temporary suite was not ready within {deadline:g} s")
    tell.line("everything that was started is ended" + ("" if keep else ", and its folder removed"))
    return Played(tuple(verdicts), folder if keep else "")


async def _act(act: Act, stage: Stage, tell: Teller, end: float, deadline: float) -> Verdict:
    """An act that is cut short is judged by what it has seen, and fails by why it was."""
    facts: dict[str, Any] = {}
    why = ""
    with anyio.CancelScope(deadline=end) as scope:
        try:
            await act.play(stage, tell, facts)
        except Exception as error:  # whatever it was: it is told, and the other acts are still played
            why = str(error) if isinstance(error, NotSeen) else f"{type(error).__name__}: {error}"
    if scope.cancelled_caught:
        why = f"the demo's deadline of {deadline:g} s was over"
    return Verdict(act.name, act.title, tuple(act.prove(facts)), facts, why)
