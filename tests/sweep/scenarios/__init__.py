"""The scenarios. Together they call every script of the bus; a test holds them to that."""

from __future__ import annotations

from tests.sweep.scenario import Scenario
from tests.sweep.scenarios import cancelling, chores, failing, limited, lost, runs, timed, waiting


def every() -> list[type[Scenario]]:
    """All scenarios, in the order in which they are written down."""
    modules = (runs, failing, timed, limited, waiting, cancelling, lost, chores)
    found = [(module, thing) for module in modules for thing in vars(module).values() if isinstance(thing, type)]
    return [t for module, t in found if issubclass(t, Scenario) and t.__module__ == module.__name__]
