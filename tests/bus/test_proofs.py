"""docs/proofs.md names tests: each of them exists, and no invariant and no known failure is without one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (F?\d+) \|(.*)\|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+)::(\w+)`")
NUMBERS = [*(str(n) for n in range(1, 21)), *(f"F{n}" for n in range(1, 18))]


def rows() -> dict[str, str]:
    return dict(ROW.findall((ROOT / "docs/proofs.md").read_text()))


def test_every_invariant_and_every_known_failure_has_a_row_with_a_test():
    found = rows()
    assert list(found) == NUMBERS
    assert [number for number, text in found.items() if not TEST.search(text)] == []


def test_every_test_and_every_campaign_that_it_names_exists():
    texts = " ".join(rows().values())
    missing = [
        f"{file}::{name}"
        for file, name in TEST.findall(texts)
        if f"def test_{name}(" not in (ROOT / "tests" / f"{file}.py").read_text()
    ]
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert missing == []
    assert set(re.findall(r"`make ([\w-]+)`", texts)) <= targets
