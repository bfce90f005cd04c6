"""The one loader: environment and file in, `Config` out, or a `ConfigError` with every problem found.

Reading order: `load_config` finds what was given for each key (`_found`), validates all of it, shadowed values
too, lets the strongest win, and builds the sections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from joelclaw_contracts.complaint import first_complaint
from joelclaw_contracts.errors import ConfigError, Problem
from joelclaw_contracts.functions import DEFAULT_SCHEDULES, FUNCTION_IDS
from joelclaw_contracts.names import nearest

from .document import config_path, get, read_document, unknown_keys
from .effective import Config
from .keeping import Backup
from .provenance import Source
from .schedules import Schedules
from .section import Section, wire_name
from .sources import CONFIG_VARIABLE, KEYS, TRANSPORT_SECTIONS, TRANSPORT_VARIABLES, Key
from .variables import misspelt, parse, variable


@dataclass(frozen=True, slots=True)
class _Found:
    """One value that was given for a key, and where."""

    value: Any
    source: Source
    place: str
    key: str | None

    def problem(self, message: str, below: str = "") -> Problem:
        return Problem(self.place, None if self.key is None else self.key + below, message)


@dataclass(slots=True)
class _Loading:
    """What is known while loading: the inputs, the winners so far, the problems so far."""

    environ: Mapping[str, str]
    path: Path
    document: Mapping[str, Any]
    chosen: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    winners: dict[str, _Found] = field(default_factory=dict)
    broken: set[tuple[str, ...]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def load_config(environ: Mapping[str, str], *, home: Path) -> Config:
    """Loads the configuration. Reads one file, at most; raises `ConfigError`, which names every problem.

    A missing file is fine unless `JOELCLAW_CONFIG` names it. Blank variables count as unset.
    """
    path = config_path(environ, home)
    document = read_document(path, required=variable(environ, CONFIG_VARIABLE) is not None)
    loading = _Loading(environ, path, document)
    loading.problems += [*unknown_keys(document, path), *misspelt(environ)]
    for key in KEYS:
        _choose(key, loading)
    sections = {at: _build(at, loading) for at in dict.fromkeys(key.at for key in KEYS)}
    schedules = _schedules(loading)
    _check_models(loading, sections)
    if loading.problems:
        # Two routers share sources; one slip is told once.
        raise ConfigError(dict.fromkeys(loading.problems))
    return _assemble(loading, sections, schedules)


def _found(key: Key, loading: _Loading) -> Iterator[_Found]:
    """Everything given for a key, strongest first."""
    for name in key.variables:
        if (text := variable(loading.environ, name)) is not None:
            yield _Found(parse(key.section, key.field, text), Source("environment", name), name, None)
    for place in key.places:
        section = get(loading.document, place.section)
        given = [name for name in place.names if isinstance(section, Mapping) and name in section]
        for name in given:
            dotted = f"{place.section}.{name}"
            found = _Found(section[name], Source("file", f"{loading.path}: {dotted}"), str(loading.path), dotted)
            if len(given) > 1 and name == given[0]:
                loading.problems.append(found.problem(f"is given twice, as {' and '.join(given)}; keep one"))
            yield found


def _choose(key: Key, loading: _Loading) -> None:
    alias = wire_name(key.section, key.field)
    for found in _found(key, loading):
        if problem := _complaint(key.section, alias, found):
            loading.problems.append(problem)
            loading.broken.add(key.at)
        elif key.name not in loading.winners:
            loading.winners[key.name] = found
            loading.chosen.setdefault(key.at, {})[alias] = found.value


def _complaint(section: type[Section], alias: str, found: _Found) -> Problem | None:
    """What is wrong with one value by itself; rules between values are for `_build`."""
    try:
        section.model_validate({alias: found.value}, by_alias=True, by_name=False)
    except ValidationError as error:
        if error.errors()[0]["loc"]:
            path, problem = first_complaint(section, error)
            return found.problem(problem, below=(path or alias).removeprefix(alias))
    return None


def _build(at: tuple[str, ...], loading: _Loading) -> Section | None:
    keys = [key for key in KEYS if key.at == at]
    model = keys[0].section
    if at in loading.broken or (at == ("transport", "nas") and not _nas_is_configured(loading)):
        return None
    try:
        return model.model_validate(loading.chosen.get(at, {}), by_alias=True, by_name=False)
    except ValidationError as error:
        winners = {wire_name(key.section, key.field): loading.winners.get(key.name) for key in keys}
        loading.problems += [_between(dict(one), winners) for one in error.errors()]
        return None


def _between(error: dict[str, Any], winners: Mapping[str, _Found | None]) -> Problem:
    """The problem of a rule between two values, placed where somebody wrote one of them."""
    context = error.get("ctx", {})
    low, high = context.get("low"), context.get("high")
    if low is None:
        found = winners[context["field"]]
        assert found is not None  # the rule speaks only of a value that was given
        return found.problem(error["msg"])
    at = winners[low] or winners[high]
    assert at is not None  # the defaults are in order
    told = [
        f"{name} {context[value]} ({given.key or given.place if (given := winners[name]) else 'default'})"
        for name, value in ((low, "smaller"), (high, "larger"))
    ]
    return at.problem(f"{told[0]} is above {told[1]}; lower the one or raise the other")


def _nas_is_configured(loading: _Loading) -> bool:
    return any(variable(loading.environ, name) for name in TRANSPORT_VARIABLES) or any(
        isinstance(get(loading.document, section), Mapping) for section in TRANSPORT_SECTIONS
    )


def _schedules(loading: _Loading) -> dict[str, str]:
    given = loading.document.get("schedules", {})
    where = str(loading.path)
    if not isinstance(given, Mapping):
        loading.problems.append(Problem(where, "schedules", "is no object; expected function ids and their crons"))
        return {}
    crons = {}
    for function, cron in given.items():
        key = f"schedules.{function}"
        found = _Found(cron, Source("file", f"{where}: {key}"), where, key)
        if function not in DEFAULT_SCHEDULES:
            loading.problems.append(found.problem(_no_schedule(function)))
            continue
        try:
            crons[function] = Schedules.model_validate({"crons": {function: cron}})[function]
            loading.winners[key] = found
        except ValidationError as error:
            loading.problems.append(found.problem(first_complaint(Schedules, error)[1]))
    return crons


def _no_schedule(function: str) -> str:
    if function in FUNCTION_IDS:
        return "runs on events alone and can't have a schedule; remove it"
    near = nearest(function, DEFAULT_SCHEDULES)
    hint = f"did you mean {near}?" if near else "known: " + ", ".join(DEFAULT_SCHEDULES)
    return f"is no function with a schedule; {hint}"


def _check_models(loading: _Loading, sections: Mapping[tuple[str, ...], Any]) -> None:
    models = sections[("models",)]
    for key in KEYS:
        if models is None or key.field not in ("model", "fallback_model"):
            continue
        found = loading.winners.get(key.name)
        if found and found.value is not None and found.value not in models.allowed:
            near = nearest(found.value, models.allowed)
            hint = f"did you mean {near}? " if near else ""
            allowed = ", ".join(models.allowed) or "none"
            loading.problems.append(
                found.problem(f'is "{found.value}", which is not allowed; {hint}allowed (models.allowed): {allowed}')
            )


def _assemble(loading: _Loading, sections: Mapping[tuple[str, ...], Any], schedules: dict[str, str]) -> Config:
    nas = sections[("transport", "nas")]
    return Config(
        healing_router=sections[("healing_router",)],
        backup_router=sections[("backup_router",)],
        transport=sections[("transport",)].model_copy(update={"nas": nas}),
        models=sections[("models",)],
        routes=sections[("routes",)],
        schedules=Schedules(crons={**DEFAULT_SCHEDULES, **schedules}),
        budgets=sections[("budgets",)],
        approval=sections[("approval",)],
        alerts=sections[("alerts",)],
        health=sections[("health",)],
        runtime=sections[("runtime",)],
        backup=Backup(redis=sections[("backup", "redis")], destination=sections[("backup", "destination")]),
        sources={name: found.source for name, found in loading.winners.items()},
    )
