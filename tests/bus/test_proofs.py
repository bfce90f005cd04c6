"""docs/proofs.md and docs/queues.md name tests: each of them exists, and nothing that they promise is without one."""

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


def test_every_line_of_what_people_expect_of_a_queue_has_a_test_that_exists():
    lines = [line for line in (ROOT / "docs/queues.md").read_text().splitlines() if line.startswith("| ")]
    wanted = [line for line in lines if not line.startswith("| wanted |")]
    assert len(wanted) >= 18
    assert [line for line in wanted if not TEST.search(line)] == []
    assert missing(" ".join(wanted)) == []


def missing(texts: str) -> list[str]:
    """The tests named there that do not exist."""
    return [
        f"{file}::{name}"
        for file, name in TEST.findall(texts)
        if f"def test_{name}(" not in (ROOT / "tests" / f"{file}.py").read_text()
    ]


def test_every_test_and_every_campaign_that_it_names_exists():
    texts = " ".join(rows().values())
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert missing(texts) == []
    assert set(re.findall(r"`make ([\w-]+)`", texts)) <= targets
