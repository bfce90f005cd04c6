"""A suite that can't fail proves nothing: without the fence, the renewal, the dedupe or the cursor loop it goes red.

Here are the four that matter most, each against the first of its test files; `make mutants` tries all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.attack import MODEL, attack, mutated
from tests.mutation.mutant import Mutant
from tests.mutation.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_every_mutant_finds_what_it_changes(mutant: Mutant, tmp_path: Path) -> None:
    copy = mutated(mutant, tmp_path)
    assert mutant.text not in (copy / mutant.file).read_text() or mutant.text in mutant.replacement


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.short], ids=lambda m: m.name)
def test_the_suites_go_red_without_it(mutant: Mutant, tmp_path: Path) -> None:
    copy = mutated(mutant, tmp_path)
    assert attack(copy, [f"tests/bus/{test}" for test in mutant.tests]).by, "the tests did not miss it"
    assert not mutant.model or attack(copy, [MODEL]).by, "the model did not miss it"
