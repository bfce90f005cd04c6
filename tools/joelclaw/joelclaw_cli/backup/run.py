"""`joelclaw backup run`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import anyio
import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.backup.found import TARGETS, progress
from joelclaw_cli.backup.progress import Line, transfer_line
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.runs import RunDetail
    from joelclaw_bus.store import Store

FUNCTION = "system/backup."
SAYS = {"take": "taken and checked", "copy": "copied", "verify": "read back and restored", "publish": "published"}
POLL, LONELY = 0.1, 10.0


@command(
    "run",
    store=True,
    progress=False,
    examples=[
        ("joelclaw backup run redis", "ask for one; the run's id tells what became of it"),
        ("joelclaw backup run redis --wait", "wait for the proof; exit code 1 when it failed"),
        ("joelclaw backup run typesense --wait", "the other target, where TYPESENSE_API_KEY is set"),
    ],
)
@click.argument("target", type=click.Choice(TARGETS))
@click.option("--wait", is_flag=True, help="Wait until it is stored and verified, or has failed.")
@click.option("--timeout", "timeout_ms", type=DURATION, default="1h", show_default=True, help="Wait at most so long.")
def run(place: Place, target: str, wait: bool, timeout_ms: int) -> Answer:
    """Make a backup now.

    One at a time: while another one runs, this one waits for its turn.
    """
    id = f"cli-{uuid.uuid4().hex[:16]}"

    async def ask(store: Store) -> RunDetail | None:
        from joelclaw_bus.publisher import Publisher
        from joelclaw_cli.heal.actor import actor
        from joelclaw_contracts import BackupRunRequested

        await _require_function(store, f"{FUNCTION}{target}")
        wanted = BackupRunRequested.from_wire({"target": target, "requestedBy": await actor(store)})
        await Publisher(store, source="joelclaw").send(wanted, id=id)
        if not wait:
            return None
        with transfer_line(lambda: progress(place.state_dir, target)) as line:
            return await _followed(store, f"{FUNCTION}{target}:{id}", timeout_ms / 1000, line)

    ended = place.run(ask)
    run_id = f"{FUNCTION}{target}:{id}"
    if ended is None:
        return Answer({"run": run_id, "event": id}, lambda: _asked(run_id), ((f"joelclaw bus run {run_id}", "see it"),))
    if ended.facts.state != "completed" or not isinstance(ended.result, dict):
        raise Failure(
            "backup_failed",
            ended.facts.error or f"the run ended as {ended.facts.state}",
            fix="its router decides about a retry: joelclaw heal list",
            next_actions=(("joelclaw heal list", "what is done about it"), (f"joelclaw bus run {run_id}", "the run")),
        )
    result: dict[str, Any] = {"run": run_id, **ended.result}
    if result.get("outcome") == "deferred":
        raise Failure(
            "backup_deferred",
            f"no way to the NAS is open; {result['id']} waits on this disk, not verified: {result['waitsFor']}",
            fix="nothing is lost: it is carried there within a minute of a way's return; see joelclaw nas status",
            next_actions=(("joelclaw backup queue", "what waits"), ("joelclaw nas status", "whether a way is open")),
        )
    follow = (f"joelclaw backup verify {result['id']}", "read it again, all of it")
    return Answer(result, lambda: _picture(result), (follow, ("joelclaw backup list", "every copy")))


async def _require_function(store: Store, function: str) -> None:
    """Failure `not_configured` where other functions are known and this one is not: nobody would ever begin it."""
    from joelclaw_bus.inspect.workers import registered_functions

    known = await registered_functions(store)
    if f"{FUNCTION}redis" in known and function not in known:
        raise Failure(
            "not_configured",
            f"{function} is not configured where the backup service runs",
            fix="set TYPESENSE_API_KEY there (and TYPESENSE_URL), and start it again",
        )


async def _followed(store: Store, run_id: str, seconds: float, line: Line) -> RunDetail:
    """The run once it has ended; each step is told as it is journaled, and how far a transfer is meanwhile."""
    from joelclaw_bus.inspect.runs import find_run

    told: set[str] = set()
    began = anyio.current_time()
    while anyio.current_time() - began < seconds:
        found = await find_run(store, run_id)
        if found is None and anyio.current_time() - began > LONELY and "nobody" not in told:
            told.add("nobody")
            line.say("nobody has begun it yet: joelclaw doctor says if the service runs and the store takes writes")
        if found is not None:
            for words in _news(found.steps, told):
                line.say(words)
            if found.ended_ms:
                return found
        line.turn()
        await anyio.sleep(POLL)
    raise Failure(
        "timed_out",
        f"the backup has not ended within {seconds:.0f} s; it goes on",
        fix="it ends without you; where nothing has begun it, joelclaw doctor says whether service and store are well",
        next_actions=((f"joelclaw bus run {run_id}", "see where it is"),),
    )


def _news(steps: dict[str, Any], told: set[str]) -> Iterable[str]:
    """Each step that is done, and each way that failed, which `told` does not know yet; in their order: a record has
    none."""
    failed = {name for name, result in steps.items() if isinstance(result, dict) and "failed" in result}
    done = {name.partition("-")[0] for name in steps.keys() - failed}
    for step, words in SAYS.items():
        if step in done - told:
            yield words
        if step == "take":  # what fails on its way was taken
            yield from (f"not yet: {steps[name]['detail']}" for name in sorted(failed - told))
    told |= failed | done


def _asked(run_id: str) -> Iterable[RenderableType]:
    from joelclaw_cli.render import good

    yield good(f"asked for: {run_id}")


def _picture(result: dict[str, Any]) -> Iterable[RenderableType]:
    from joelclaw_cli.render import fields, good, span

    of, restored = result["of"], result["restored"]
    exact = f"{of} and contents are the source's"
    proof = exact if result["witnessed"] else f"the {of} are as many as were taken, where they stood still"
    proven = f"yes: read back, restored in a throwaway server; {proof}"
    yield good("stored and verified")
    yield fields(
        [
            ("path", result["path"]),
            ("size", f"{result['bytes']:,} bytes"),
            ("sha256", result["sha256"]),
            (of, f"{result['keys']:,} read" + (f", {restored:,} restored" if restored is not None else "")),
            ("verified", result["unproven"] or proven),
            ("kept on", f"{result['destination']} ({result['tier']})"),
            ("travelled", f"{result['transportMode']}, attempt {result['transportAttempts']}"),
            ("to be mended", result["transportTrouble"]),
            ("took", span(result["durationMs"])),
            ("pruned", ", ".join(result["pruned"])),
            ("retention", result["retentionTrouble"]),
            ("removed there", ", ".join(result.get("sourceRemoved", ()))),
            ("the source", result.get("sourceTrouble", "")),
            ("note", result["note"]),
        ]
    )
