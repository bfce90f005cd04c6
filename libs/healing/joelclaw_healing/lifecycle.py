"""How an incident moves: pure steps from one Incident to the next.

| step      | from               | to        | changes                                                             |
|-----------|--------------------|-----------|---------------------------------------------------------------------|
| opened    | nothing            | open      | the identity, the first failure                                     |
| reported  | open, escalated    | the same  | requests + 1; a later owner watches; the earliest deadline binds    |
| reported  | closed within 1 h  | open      | the same incident again, attempts kept                              |
| scheduled | open               | open      | decisions + 1; an act waits                                         |
| barred    | open               | open      | decisions + 1; no act; the rule that refuses                        |
| served    | open, act due      | open      | attempt + 1; no act waits                                           |
| watched   | open               | open      | without an act: when it is looked at again if nothing is heard      |
| held      | open, act due      | open      | acting is stopped: the act will be judged afresh                    |
| asked     | open               | escalated | a person is asked to allow the retry, until then                    |
| ordered   | open, escalated    | open      | a person wants the retry now: it waits                              |
| paged_again | escalated        | escalated | repeats + 1                                                         |
| acked     | escalated          | escalated | a person has seen it: no more repeats                               |
| escalated | open               | escalated | no act waits; a person has it                                       |
| closed    | open, escalated    | closed    | no act waits; how it ended, and by whom                             |

Every step is one move: `seq` + 1 is counted once by `moved`, however many steps a move is made of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from joelclaw_healing.incident import Act, End, Incident, Kind, State, new_incident_id

REOPEN_WITHIN_MS = 3_600_000
"""A failure within an hour of closing is the same incident."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one accepted request says about its target. `cause` is its id; `deadline_ms` 0 is none."""

    cause: str
    domain: str
    target: str
    failed_ms: int
    owner: str = ""
    deadline_ms: int = 0
    fallback: str = "escalate"
    failure_class: str = ""
    problem: str = ""
    source_function: str = ""
    group: str = ""
    appointed: str = ""
    """The owner that configuration names for the target; whoever a request names watches then."""


def reported(incident: Incident | None, report: Report, now: int) -> Incident:
    """The incident that this report is about: the present one, the one just closed, or a new one."""
    if incident is None or (incident.is_over and now - incident.closed_ms > REOPEN_WITHIN_MS):
        return _opened(report, now)
    if incident.is_over:
        incident = replace(
            _unwatched(incident),
            state=State.OPEN,
            reopened=incident.reopened + 1,
            closed_ms=0,
            end="",
            closed_by="",
            deadline_ms=0,
            first_failure_ms=report.failed_ms,
            last_act="",
        )
    return replace(
        incident,
        requests=incident.requests + 1,
        watchers=_watchers(incident, report.owner),
        owner=incident.owner or report.appointed or report.owner,
        group=report.group or incident.group,
        deadline_ms=_earliest(incident.deadline_ms, report.deadline_ms),
        failure_class=report.failure_class or incident.failure_class,
        problem=report.problem or incident.problem,
        # Whoever wants a page gets one: a later, quieter request can't take it back.
        fallback="escalate" if "escalate" in (incident.fallback, report.fallback) else report.fallback,
    )


def scheduled(incident: Incident, act: Act) -> Incident:
    return replace(_unwatched(incident), decisions=incident.decisions + 1, act=act, barred="")


def barred(incident: Incident, rule: str, *, alerts: int = 0) -> Incident:
    before = _unwatched(incident)
    return replace(before, decisions=before.decisions + 1, alerts=before.alerts + alerts, act=None, barred=rule)


def watched(incident: Incident, until_ms: int) -> Incident:
    """Its id changes with whatever is decided or handed over, so that an old watch finds itself outdated."""
    name = f"{incident.id}:{incident.decisions}.{incident.attempt}.{incident.repeats}:watch"
    return replace(incident, watch=name, watch_ms=until_ms)


def held(incident: Incident) -> Incident:
    assert incident.act is not None
    return replace(incident, act=replace(incident.act, held=True))


def asked(incident: Incident, *, until_ms: int, alerts: int) -> Incident:
    return replace(escalated(incident, alerts=alerts), approval=next_decision_id(incident), approval_ms=until_ms)


def ordered(incident: Incident, act: Act) -> Incident:
    return scheduled(replace(incident, state=State.OPEN, acked_by="", acked_ms=0), act)


def paged_again(incident: Incident) -> Incident:
    return replace(incident, alerts=incident.alerts + 1, repeats=incident.repeats + 1, watch="", watch_ms=0)


def acked(incident: Incident, actor: str, now: int) -> Incident:
    return replace(incident, acked_by=actor, acked_ms=now)


def served(incident: Incident) -> Incident:
    """Its act's time came: the route event is handed over, or the hold is over. Either counts as an attempt."""
    assert incident.act is not None
    held = incident.act.kind is Kind.PAUSE
    return replace(
        incident,
        attempt=incident.attempt + 1,
        holds=incident.holds + held,
        last_act=incident.act.kind.value,
        act=None,
    )


def escalated(incident: Incident, *, alerts: int) -> Incident:
    return replace(
        _unwatched(incident),
        state=State.ESCALATED,
        acked_by="",
        acked_ms=0,
        repeats=0,
        decisions=incident.decisions + 1,
        alerts=incident.alerts + alerts,
        act=None,
        barred="",
    )


def closed(incident: Incident, *, end: End, by: str, now: int) -> Incident:
    after = replace(_unwatched(incident), acked_by="", acked_ms=0)
    return replace(after, state=State.CLOSED, act=None, barred="", closed_ms=now, end=end.value, closed_by=by)


def moved(before: Incident | None, after: Incident, now: int) -> Incident:
    """The last step of every move: it is counted. A new incident starts at 1."""
    same = before is not None and before.id == after.id
    return replace(after, seq=(before.seq if same and before else 0) + 1, moved_ms=now)


def next_decision_id(incident: Incident) -> str:
    """Deterministic, so that a decision that is made again writes nothing again."""
    return f"{incident.id}:{incident.decisions + 1}"


def _opened(report: Report, now: int) -> Incident:
    return Incident(
        id=new_incident_id(report.domain, report.target, report.cause),
        domain=report.domain,
        target=report.target,
        state=State.OPEN,
        seq=0,
        opened_ms=now,
        moved_ms=now,
        requests=1,
        owner=report.appointed or report.owner,
        watchers=(report.owner,) if report.appointed and report.owner not in ("", report.appointed) else (),
        group=report.group,
        first_failure_ms=report.failed_ms,
        deadline_ms=report.deadline_ms,
        fallback=report.fallback,
        failure_class=report.failure_class,
        problem=report.problem,
        source_function=report.source_function,
    )


def _unwatched(incident: Incident) -> Incident:
    """Whatever it waited for, it waits for something else now."""
    return replace(incident, watch="", watch_ms=0, approval="", approval_ms=0)


def _watchers(incident: Incident, owner: str) -> tuple[str, ...]:
    known = {incident.owner, *incident.watchers}
    return incident.watchers if not owner or not incident.owner or owner in known else (*incident.watchers, owner)


def _earliest(a: int, b: int) -> int:
    """The earlier of two deadlines; 0 is none."""
    return min(a, b) if a and b else a or b
