"""The third act: the runtime hangs (SIGSTOP), two report it, and it is restarted once.

The remediator itself has started the runtime when it was first asked how it is: see `ask`.
"""

from __future__ import annotations

import http.client
import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from joelclaw_bus.inspect.entries import latest
from joelclaw_bus.inspect.runs import RunDetail, find_run
from joelclaw_bus.publisher import Publisher
from joelclaw_cli.demo.stage import Stage
from joelclaw_cli.demo.telling import Teller
from joelclaw_cli.demo.watch import until
from joelclaw_contracts import HealingCompleted, RuntimeHealthRequested

TITLE = "A runtime hangs, and is restarted once"
FUNCTION = "system/self-healing.inngest-runtime"
FIRST = "demo-first-look"
REPORTS = ("demo-report-1", "demo-report-2")
PATIENCE = 1.0


async def ask(stage: Stage, id: str) -> None:
    """Ask how the runtime is: whoever is confirmed to fail is started or restarted, within the guard's rules."""
    asked = RuntimeHealthRequested(source_function="joelclaw demo", problem_summary="it does not answer")
    await Publisher(stage.store, source="joelclaw demo").send(asked, id=id)


async def play(stage: Stage, tell: Teller, facts: dict[str, Any]) -> None:
    """Fills `facts` with what is seen. NotSeen."""
    await until("the runtime's first start, verified", lambda: _answer(stage, FIRST))
    (hung,) = stage.starts[-1:]
    facts.update(hung=hung, answeredBefore=await _who_answers(stage))
    tell.line(f"the runtime, started by the remediator, answers: process {facts['answeredBefore']}")
    os.kill(hung, signal.SIGSTOP)
    before = len(stage.starts)
    facts.update(answeredHung=await _who_answers(stage), hungState=_state(hung), patienceMs=round(PATIENCE * 1000))
    tell.line(f"process {hung} is stopped (SIGSTOP): there, and silent for {PATIENCE:g} s", style="red")
    async with anyio.create_task_group() as tasks:
        for id in REPORTS:
            tasks.start_soon(ask, stage, id)
    facts["asked"] = len(REPORTS)
    tell.line(f"{len(REPORTS)} report it at once: {RuntimeHealthRequested.event_name}")

    told: set[str] = set()
    answers = [
        await until(f"an answer to {id}", partial(_followed, stage, tell, id, told), seconds=40) for id in REPORTS
    ]
    runs = [await find_run(stage.store, f"{FUNCTION}:{id}") for id in REPORTS]
    facts["answers"] = [answer["status"] for answer in answers]
    facts["restarts"] = sum("restart" in run.steps for run in runs if run)
    facts["goodLooks"] = max((_good(run) for run in runs if run), default=0)
    facts.update(startsSince=stage.starts[before:], hungGone=_state(hung) in ("", "Z"))
    facts["answeredAfter"] = await _who_answers(stage)
    tell.line(f"process {facts['answeredAfter']} answers; process {hung} is gone", style="green")


async def _answer(stage: Stage, id: str) -> dict[str, Any] | None:
    entries = await latest(stage.store, HealingCompleted.event_name)
    return next((e.data for e in entries if e.data.get("eventId") == id), None)


async def _followed(stage: Stage, tell: Teller, id: str, told: set[str]) -> dict[str, Any] | None:
    """The answer; until then each ruling of the guard, the act and each look after it are told as they are recorded."""
    run = await find_run(stage.store, f"{FUNCTION}:{id}")
    for step, record in run.steps.items() if run else ():
        if f"{id}/{step}" not in told and (words := _words(step, record)):
            told.add(f"{id}/{step}")
            tell.line(f"  {id.removeprefix('demo-')}: {words}")
    answer = await _answer(stage, id)
    if answer and f"{id}/answered" not in told:
        told.add(f"{id}/answered")
        tell.line(f"  {id.removeprefix('demo-')} is answered: {answer['status']} ({answer['rule']})")
    return answer


def _words(step: str, record: Any) -> str:
    if step.startswith("judge-"):
        return f"the guard says {record['rule']}: {record['why']}"
    if step == "restart":
        return str(record["did"] or record["failed"] or record["why"])
    if step.startswith("after-"):
        return f"looked at again: {record['seen']}, {record['detail']}"
    return ""


def _good(run: RunDetail) -> int:
    """Looks after the act that were good, the last ones in a row."""
    looks = sorted((int(s.removeprefix("after-")), r["seen"]) for s, r in run.steps.items() if s.startswith("after-"))
    count = 0
    for _, seen in reversed(looks):
        if seen != "ok":
            break
        count += 1
    return count


async def _who_answers(stage: Stage) -> int | None:
    """The process number that the runtime answers with; None when it does not answer in time."""
    return await to_thread.run_sync(_get, stage.runtime_port)


def _get(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with suppress(OSError, ValueError, http.client.HTTPException):
        connection.request("GET", "/")
        return int(connection.getresponse().read())
    connection.close()
    return None


def _state(pid: int) -> str:
    """The kernel's letter for it: T is stopped, Z has ended; '' is gone."""
    with suppress(OSError, ValueError):
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return text[text.rindex(")") + 2]
    return ""
