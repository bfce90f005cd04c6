"""What is taken away from the bus, one at a time, and the tests that must miss it.

A mutant names a file of the package, a text that stands in it exactly once, and what is put there instead. `tests`: the
files of tests/bus that must go red. `model`: whether the model (tests/model) must go red too; it can't where what is
missing is no script's (a thread, a loop), or where so few steps as a row has (`attack.MODEL_STEPS`) seldom meet it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]
    model: bool = True
    short: bool = False
    """One of those that every run of the tests checks."""
