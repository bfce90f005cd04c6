"""The first act: the backup's destination is taken away, and given back once the retry is scheduled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from anyio import Path

from joelclaw_bus.inspect.entries import Entry, latest
from joelclaw_bus.inspect.runs import RunDetail, find_run
from joelclaw_cli.demo.stage import Stage
from joelclaw_cli.demo.telling import Teller
from joelclaw_cli.demo.watch import NotSeen, until
from joelclaw_contracts import BackupRetryRequested, HealingCompleted
from joelclaw_healing import Incident, Ledger

TITLE = "A backup fails, waits, tries again, and proves its copy"
SAYS = {"take": "taken and checked", "copy": "copied", "verify": "read back and restored", "publish": "published"}


async def play(stage: Stage, tell: Teller, facts: dict[str, Any]) -> None:
    """Fills `facts` with what is seen. NotSeen."""
    ledger, away = Ledger(stage.store), stage.folder / "nas.away"
    stage.destination.rename(away)
    tell.line(f"the backup's destination is taken away: {stage.destination}")
    tell.line("$ joelclaw backup run redis --wait", style="cyan")
    code, said = await stage.processes.joelclaw("backup", "run", "redis", "--wait", "--timeout", "20s")
    error = said.get("error") or {}
    facts.update(failedExit=code, failedCode=error.get("code"), failedMessage=error.get("message"))
    tell.line(f"it fails, exit code {code}: {facts['failedMessage']}", style="red")

    incident = await until("an open incident with a retry", lambda: _waiting(ledger))
    answer = await until("the router's answer", lambda: _answer(stage, "scheduled", incident.id))
    due = round(datetime.fromisoformat(answer["dueAt"]).timestamp() * 1000)
    facts.update(incident=incident.id, openState=incident.state.value, answered=answer["status"], rule=answer["rule"])
    facts.update(dueMs=due, delayMs=answer["delayMs"])
    tell.line(f"incident {incident.id} is {incident.state.value}; rule {answer['rule']}: {answer['reason']}")
    left = (due - await stage.store.time_ms()) / 1000
    tell.line(f"retry scheduled, due in {left:.1f} s", style="yellow")
    away.rename(stage.destination)
    tell.line("the destination is back; nobody tells anybody, the retry will see")

    retry = await until("the retry", lambda: _retry(stage, answer))
    facts.update(retriedMs=int(retry.entry.partition("-")[0]), retryIncident=retry.data["incidentId"])
    facts["retryAttempt"] = retry.data["attempt"]
    tell.line(f"due: {retry.name}, attempt {retry.data['attempt']}", style="yellow")
    run = f"{retry.data['targetFunctionId']}:{retry.id}"
    told: set[str] = set()
    result = (await until("the end of the retried backup", lambda: _followed(stage, tell, run, told))).result
    facts.update(run=run, path=result["path"], keys=result["keys"], sha256=result["sha256"])
    facts["onDisk"] = await Path(result["path"]).is_dir()
    tell.line(f"stored: {result['id']}, {result['keys']} keys, sha256 {result['sha256'][:12]}…")
    tell.line("$ joelclaw backup verify latest", style="cyan")
    code, said = await stage.processes.joelclaw("backup", "verify", "latest")
    found = said.get("result") or {}
    same = found.get("id") == result["id"] and any(f["sha256"] == result["sha256"] for f in found.get("files", ()))
    facts.update(verifyExit=code, verified=bool(found.get("ok")) and same)
    again = f"{found.get('rereadBytes', 0):,} bytes read again, the same sha256"
    tell.line(f"exit code {code}: {again if same else said.get('error') or 'it is another copy'}")

    closed = await until("the incident's closing", lambda: _closed(ledger, incident.id))
    closing = await until("the closing answer", lambda: _answer(stage, "remediated", incident.id))
    facts.update(closedState=closed.state.value, end=closed.end, closing=closing["status"])
    tell.line(f"incident {closed.id} is {closed.state.value}: {closing['reason']}", style="green")


async def _waiting(ledger: Ledger) -> Incident | None:
    return next((i for i in await ledger.list_incidents() if i.domain == "backup" and i.act), None)


async def _answer(stage: Stage, status: str, incident: str) -> dict[str, Any] | None:
    """The newest: on a slow machine a retry may have come and failed before the destination is back."""
    entries = await latest(stage.store, HealingCompleted.event_name)
    found = (
        e.data for e in reversed(entries) if e.data.get("incidentId") == incident and e.data.get("status") == status
    )
    return next(found, None)


async def _retry(stage: Stage, answer: dict[str, Any]) -> Entry | None:
    """The retry that this answer has promised."""
    entries = await latest(stage.store, BackupRetryRequested.event_name)
    return next((e for e in entries if e.data.get("attempt") == answer["nextAttempt"]), None)


async def _followed(stage: Stage, tell: Teller, run: str, told: set[str]) -> RunDetail | None:
    """The run once it has ended; each of its steps is told as it is recorded."""
    found = await find_run(stage.store, run)
    if found is None:
        return None
    done = {name.partition("-")[0] for name in found.steps}
    for step, words in SAYS.items():  # in their order; a record has none
        if step in done and step not in told:
            told.add(step)
            tell.line(f"  {words}")
    if found.ended_ms and found.facts.state != "completed":
        raise NotSeen(f"the retried backup {found.facts.state}: {found.facts.error}")
    return found if found.ended_ms else None


async def _closed(ledger: Ledger, incident: str) -> Incident | None:
    found, _ = await ledger.show(incident)
    return found if found.is_over else None
