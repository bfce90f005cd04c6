"""What follows from a judged round, as letters that leave with it: one alert a transition, and a request for healing.

| transition | alert                                        | request                                              |
|------------|----------------------------------------------|------------------------------------------------------|
| opened     | opened                                       | where there is a remedy, not while flapping or blind |
| unseen     | unseen: it can't be told how it is           | none: unknown may alert, it may restart nothing      |
| resolved   | resolved, if one of the others was told      | none; an incident that was asked for is closed       |
| (retired)  | the same: it is checked no more              | none                                                 |

Ids are (component, condition, transition, repeat): a round that is judged again sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_contracts import Evidence, HealingRequested, HealthCheck, Playbook, RetryPolicy
from joelclaw_healing import Letter, messages
from joelclaw_health.coverage import KINDS
from joelclaw_health.judge import Judged, Turn

CHECK_FUNCTION = "system/check-system-health"


@dataclass(frozen=True, slots=True)
class Voices:
    """Who is told: `owner` by name ('' nobody is named), on these channels."""

    owner: str = ""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`closings`: (domain, component, what was seen) of those whose healing was asked for and that are well again."""

    checks: tuple[HealthCheck, ...]
    letters: tuple[Letter, ...]
    closings: tuple[tuple[str, str, str], ...]


def plan(
    judged: Sequence[Judged],
    retired: Sequence[HealthCheck],
    functions: frozenset[str],
    who: Voices,
    *,
    blind: bool = False,
) -> Plan:
    """functions: those registered on this bus; retired: checks whose component is in the inventory no more; blind: the
    checker suspects itself."""
    checks: list[HealthCheck] = []
    letters: list[Letter] = []
    closings: list[tuple[str, str, str]] = []
    for item in judged:
        check, turn = item.check, item.turn
        domain = KINDS[check.condition].remedy(functions)
        if turn is Turn.RESOLVED:
            letters += _alert(check, "resolved", f"ok again: {check.value}", who) if check.told else ()
            if check.asked:
                closings.append((KINDS[check.condition].domain, check.component, f"{check.condition}: {check.value}"))
            check = _with(check, told=False, asked=False)
        elif turn is not None:
            ask = turn is Turn.OPENED and bool(domain) and not check.flapping and not blind
            letters += _alert(check, turn.value, _story(check, domain if ask else ""), who)
            letters += [_request(check, domain, who)] if ask else []
            check = _with(check, told=True, asked=check.asked or ask)
        checks.append(check)
    for check in (c for c in retired if c.told):
        letters += _alert(_with(check, repeat=check.repeat + 1), "resolved", "it is checked no more", who)
    return Plan(tuple(checks), tuple(letters), tuple(closings))


def _alert(check: HealthCheck, transition: str, story: str, who: Voices) -> tuple[Letter, ...]:
    headline = f"{transition} {check.component}/{check.condition}"
    return messages(_id(check, transition), f"{headline}: {story}", channels=who.channels, producer=CHECK_FUNCTION)


def _story(check: HealthCheck, domain: str) -> str:
    kind = KINDS[check.condition]
    parts = [check.reason or "no reason was given", check.value]
    if check.state == "unknown":
        parts.append("it can't be told how it is, so nothing is restarted")
    elif check.flapping:
        parts.append(f"flapping: opened {len(check.openings)} times lately, a person is wanted")
    parts.append(f"asked {kind.healer}, which acts on its own evidence only" if domain else f"alert only; {kind.hint}")
    return "; ".join(part for part in parts if part)


def _request(check: HealthCheck, domain: str, who: Voices) -> Letter:
    kind = KINDS[check.condition]
    event = HealingRequested(
        source_function=CHECK_FUNCTION,
        target_component=check.component,
        problem_summary=f"{check.condition} of {check.component} is failing: {check.reason or check.value}",
        attempt=0,
        retry_policy=RetryPolicy(),
        evidence=(
            Evidence(type="probe", detail=f"{check.condition}: {check.value} {check.reason}".strip()),
            Evidence(type="redis", detail="{healing/health}:checks"),
        ),
        playbook=Playbook(actions=(kind.hint,), restart=(check.component,), links=("joelclaw health status",)),
        domain=domain,
        route_to_function=kind.healer,
        owner=who.owner or None,
    )
    return Letter(HealingRequested.event_name, _id(check, "request"), event.to_json().decode())


def _id(check: HealthCheck, transition: str) -> str:
    return f"health:{check.component}:{check.condition}:{transition}:{check.repeat}"


def _with(check: HealthCheck, **changes: Any) -> HealthCheck:
    return check.model_copy(update=changes)
