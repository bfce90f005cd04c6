"""`joelclaw inngest restart-worker`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import anyio
import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import USAGE, Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store

REMEDIATOR = "system/self-healing.inngest-runtime"
DONE = ("remediated", "noop")
SPENT = (
    "look why restarts don't mend it; the budget rolls (an hour, a day): an act is free again that long after it was"
    " made, and joelclaw otel search system.self-healing.guard --hours 24 has their times"
)
FORCE = (
    "Skip confirmations, pauses, cool-down and holds; never budgets, the kill switch, an act in hand, or the start"
    " grace of a restart just made."
)


@command(
    "restart-worker",
    store=True,
    examples=[
        ("joelclaw inngest restart-worker --register --wait-ms 1500", "if it is confirmed to fail"),
        ("joelclaw inngest restart-worker --force", "also a healthy one; within the budgets"),
    ],
)
@click.option("--register", is_flag=True, help="Report what is registered after it; workers register by themselves.")
@click.option(
    "--wait-ms", type=click.IntRange(0, 3_600_000), default=1500, show_default=True, help="Before the look after it."
)
@click.option("--force", is_flag=True, help=FORCE)
@click.option("--within", type=DURATION, default="10m", show_default=True, help="How long to wait for the answer.")
def restart_worker(place: Place, register: bool, wait_ms: int, force: bool, within: int) -> Answer:
    """Ask for a guarded restart of the runtime.

    The remediator decides, acts and watches: without --force a healthy runtime is left alone, with it a person orders
    the restart and is recorded. Waits until the restart has held, or was refused, and says by which rule.
    """
    answer, registered = place.run(lambda store: _ask(store, wait_ms=wait_ms, force=force, within_ms=within))
    rule, reason = str(answer.get("rule")), str(answer.get("reason"))
    if answer["status"] not in DONE or rule == "not-configured":
        raise _refused(str(answer["status"]), rule, reason)
    restarted = answer["status"] == "remediated"

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"the runtime {'was restarted and stayed well' if restarted else 'was left alone'}: {reason}")
        if register:
            yield good(f"{registered} functions are registered")

    result = {**answer, "restarted": restarted, "registeredFunctionCount": registered}
    again = ("joelclaw inngest restart-worker --force", "restart it all the same")
    return Answer(result, view, (("joelclaw inngest status", "how it is"), *(() if restarted else (again,))))


async def _ask(store: Store, *, wait_ms: int, force: bool, within_ms: int) -> tuple[dict[str, Any], int]:
    """The answer, and how many functions are registered after it."""
    from joelclaw_bus.inspect.entries import ends, follow
    from joelclaw_bus.inspect.workers import list_workers, registered_functions
    from joelclaw_bus.publisher import Publisher
    from joelclaw_cli.heal.actor import actor
    from joelclaw_contracts import HealingCompleted, RuntimeHealthRequested

    if not any(REMEDIATOR in worker.functions for worker in await list_workers(store) if worker.live):
        raise _nobody("no live worker runs it")
    who, id = await actor(store), f"restart-{uuid.uuid4().hex}"
    answers = HealingCompleted.event_name
    after = {answers: (await ends(store, answers)).get(answers, "0-0")}
    asked = RuntimeHealthRequested(
        source_function="joelclaw inngest restart-worker",
        requested_by=who,
        force=force,
        wait_ms=wait_ms,
        problem_summary=f"{who} asks for a restart",
    )
    await Publisher(store, source="joelclaw").send(asked, id=id)
    with anyio.move_on_after(within_ms / 1000):
        async for batch in follow(store, answers, after=after):
            for entry in batch:
                if isinstance(entry.data, dict) and entry.data.get("eventId") == id:
                    return entry.data, len(await registered_functions(store))
    raise _nobody(f"it has not answered {id} within {within_ms // 1000} s; it may still act")


def _nobody(what: str) -> Failure:
    return Failure(
        "no_answer",
        f"the runtime remediator does not answer: {what}",
        fix="start it with joelclaw up, or as joelclaw-runtime-remediator",
        next_actions=(("joelclaw inngest status", "which workers live"),),
    )


def _refused(status: str, rule: str, reason: str) -> Failure:
    if rule == "not-configured":
        return Failure(
            "not_configured",
            "no runtime is configured, so there is nothing to restart",
            fix='give the configuration a section "runtime" with a command and a url',
            exit_code=USAGE,
            next_actions=(("joelclaw nas config show --effective", "what is in force"),),
        )
    return Failure(
        f"restart_{status}",
        f"the runtime was not mended: {rule}: {reason}",
        fix=SPENT if status == "exhausted" else "look at the evidence; --force skips confirmations and pauses",
        next_actions=(("joelclaw otel search system.self-healing.guard --hours 1", "what the guard decided, and why"),),
    )
