"""`joelclaw inngest status`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.command import command
from joelclaw_cli.failures import Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.workers import WorkerFacts
    from joelclaw_bus.store import Store
    from joelclaw_contracts import Runtime
    from joelclaw_healing import History


@dataclass(frozen=True, slots=True)
class _Seen:
    now: int
    workers: list[WorkerFacts]
    functions: list[str]
    history: History
    http: str
    told: str


@command(
    "status",
    store=True,
    examples=[
        (
            "joelclaw inngest status",
            "store, workers, runtime; exits 1 when no worker lives",
        ),
        ("joelclaw inngest status --json", "result.checks.server, result.checks.worker, and more"),
    ],
)
def status(place: Place) -> Answer:
    """Whether the store answers, who works, and how the runtime is.

    Changes nothing. Exits 1 when the store does not answer, when no worker lives, and when a runtime that has a URL
    does not answer there; what is not configured is said to be, and is not bad.
    """
    from joelclaw_contracts import load_config

    runtime = load_config(os.environ, home=Path.home()).runtime

    async def look(store: Store) -> _Seen:
        from joelclaw_bus.inspect.workers import list_workers, registered_functions
        from joelclaw_healing import RUNTIME, Guard, Ledger, Voice
        from joelclaw_healing.http_probe import Http, ask

        told = (Http.UNASKED, "")
        if runtime.url:
            told = await ask(runtime.url, runtime.probe_timeout_ms / 1000)
        return _Seen(
            await store.time_ms(),
            await list_workers(store),
            await registered_functions(store),
            await Guard(Ledger(store), Voice("cli"), "cli").history(RUNTIME),
            told[0].value,
            told[1],
        )

    seen = place.run(look)
    result = _result(place.settings().url, runtime, seen)

    def view() -> Iterable[RenderableType]:
        return _picture(result, seen)

    return Answer(result, view, tuple(_next(result, runtime)), _trouble(result))


def _trouble(result: dict[str, Any]) -> Failure | None:
    """Registered is not running: a suite in which nothing can work is no success, whatever else answers."""
    detail = result["checks"]["worker"]["detail"]
    if not result["worker"]["live"]:
        return Failure("no_worker", f"no worker lives ({detail})", fix="start the suite here: joelclaw up")
    if result["runtime"]["answers"] is False:
        fix = "see what was seen and done: joelclaw otel search system.self-healing.inngest-runtime --hours 1"
        return Failure("runtime_silent", f"the runtime does not answer ({detail})", fix=fix)
    return None


def _result(url: str, runtime: Runtime, seen: _Seen) -> dict[str, Any]:
    from joelclaw_healing.guard_policy import spent

    live = [worker for worker in seen.workers if worker.live]
    answers = seen.http == "answers" if runtime.url else None
    running = sorted({function for worker in live for function in worker.functions})
    about = f"{len(live)} of {len(seen.workers)} workers live, {len(running)} functions run"
    if runtime.url:
        about += f"; the runtime {seen.http} ({seen.told})"
    record = seen.history.record
    hour, day = spent(seen.history.acts, seen.now)
    return {
        "checks": {
            "server": {"ok": True, "detail": f"{_bare(url)} answers"},
            "worker": {"ok": bool(live) and answers is not False, "detail": about},
        },
        "worker": {
            "reachable": bool(live) and answers is not False,
            "live": [{"id": w.id, "ageMs": w.age_ms, "inHand": w.in_hand, "functions": w.functions} for w in live],
            "silent": [w.id for w in seen.workers if not w.live],
        },
        "registeredFunctionCount": len(seen.functions),
        "runningFunctionCount": len(running),
        "notRunning": [function for function in seen.functions if function not in running],
        "runtime": {
            "configured": runtime.configured,
            "restarts": bool(runtime.command),
            "answers": answers,
            "detail": seen.told or ("no URL to ask" if runtime.configured else "not configured"),
        },
        "guard": {
            "act": asdict(record.intent) if record.intent else None,
            "failing": record.failing,
            "outcomes": list(record.outcomes),
            "off": record.off or None,
            "coolDownUntil": record.cool_until_ms if record.cool_until_ms > seen.now else None,
            "holdUntil": record.hold_until_ms if record.hold_until_ms > seen.now else None,
            "actsInHour": hour,
            "actsInDay": day,
            "stopped": seen.history.stopped or None,
        },
    }


def _picture(result: dict[str, Any], seen: _Seen) -> Iterable[RenderableType]:
    from joelclaw_cli.render import fields, span, table, warning
    from joelclaw_cli.render import state as coloured

    def check(name: str) -> Any:
        one = result["checks"][name]
        return coloured("ok" if one["ok"] else "failed").append(f"  {one['detail']}", style="default")

    trouble = _trouble(result)
    if trouble:
        yield warning(trouble.message)
    guard, runtime = result["guard"], result["runtime"]
    pauses = [(name, guard[key]) for name, key in (("cool-down", "coolDownUntil"), ("hold", "holdUntil")) if guard[key]]
    yield fields(
        [
            ("server", check("server")),
            ("worker", check("worker")),
            ("runtime", runtime["detail"]),
            ("functions", f"{result['registeredFunctionCount']} registered, {result['runningFunctionCount']} running"),
            ("not running", ", ".join(result["notRunning"])),
            ("restarts", f"{guard['actsInHour']} within the hour, {guard['actsInDay']} within the day"),
            ("outcomes", ", ".join(guard["outcomes"])),
            ("restarting", f"since act {guard['act']['id']}" if guard["act"] else ""),
            ("paused", ", ".join(f"{name} for {span(until - seen.now)}" for name, until in pauses)),
            ("off", guard["off"] or ""),
            ("stopped", guard["stopped"] or ""),
        ]
    )
    yield ""
    rows = ((w.id, span(w.age_ms), w.in_hand, ", ".join(w.functions)) for w in seen.workers)
    yield table(("worker", ">heartbeat", ">in hand", "functions"), rows, empty="no worker has a heartbeat")


def _next(result: dict[str, Any], runtime: Runtime) -> Iterable[Next]:
    if not result["worker"]["live"]:
        yield ("joelclaw up", "start the suite here")
    if result["runtime"]["answers"] is False and runtime.command:
        yield ("joelclaw inngest restart-worker --register --wait-ms 1500", "have it restarted, guarded")
    yield ("joelclaw otel search system.self-healing.inngest-runtime --hours 1", "what was seen and done")


def _bare(url: str) -> str:
    """The address without user and password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
