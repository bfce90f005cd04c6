"""`joelclaw demo`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command, wants_json
from joelclaw_cli.failures import Failure

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_cli.demo.play import Played
    from joelclaw_cli.demo.proofs import Verdict

TRY = (
    ("make up", "run the suite for yourself"),
    ("joelclaw backup run redis --wait", "back it up, and see the proof"),
    ("joelclaw heal list", "what is broken, and what is done about it"),
)


@command(
    "demo",
    progress=False,
    examples=[
        ("joelclaw demo", "under a minute; exit code 0 only if all three were seen to heal"),
        ("joelclaw demo --json", "lines on stderr, the facts as one envelope on stdout"),
        ("joelclaw demo --keep", "leave its folder, to look at the copies and the log"),
    ],
)
@click.option("--keep", is_flag=True, help="Leave the temporary folder (data, copies, log), and say where it is.")
def demo(keep: bool) -> Answer:
    """See it heal itself: three things break on a temporary suite.

    A backup whose destination goes away, a worker that is killed, a runtime that hangs. Everything that is claimed was
    seen in the store, on the disk or in the process table. Nothing of yours is touched; all is removed at the end.
    """
    import anyio

    from joelclaw_cli.demo.play import play
    from joelclaw_cli.demo.telling import Teller

    teller = Teller(plain=wants_json())

    async def played() -> Played:
        return await play(teller, keep=keep)

    return answer_of(anyio.run(played), teller.seconds)


def answer_of(played: Played, seconds: float) -> Answer:
    """Exit code 0 only if every act was proven."""
    failed = [verdict for verdict in played.verdicts if not verdict.ok]
    acts = [verdict.to_json() for verdict in played.verdicts]
    result = {"seconds": round(seconds, 1), "acts": acts, "folder": played.folder or None}

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good, warning

        if not failed:
            yield good(f"{len(acts)} things broke, {len(acts)} healed, each was seen; {seconds:.0f} s")
        for verdict in failed:
            yield warning(_told(verdict))
        if played.folder:
            yield f"kept: {played.folder}"

    return Answer(result, view, TRY, _trouble(failed, len(acts)))


def _trouble(failed: list[Verdict], count: int) -> Failure | None:
    if not failed and count:
        return None
    message = "; ".join(map(_told, failed)) or "no act was played"
    return Failure("demo_failed", message, fix="joelclaw demo --keep leaves its folder; suite.log there says more")


def _told(verdict: Verdict) -> str:
    wrong = "; ".join(f"{proof.claim}: {proof.seen}" for proof in verdict.proofs if not proof.held)
    return f"✗ {verdict.title}: {verdict.why or wrong}"
