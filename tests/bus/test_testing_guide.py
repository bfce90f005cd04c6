"""docs/testing.md: its example is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "testing.md"
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
TESTS = re.findall(r"^async def (test_\w+)", EXAMPLE, re.MULTILINE)


@pytest.mark.parametrize("name", TESTS)
async def test_the_guide_s_example_holds(name: str) -> None:
    there: dict[str, Any] = {}
    exec(compile(EXAMPLE, str(GUIDE), "exec"), there)
    assert await there[name]() is None


def test_the_guide_names_everything_that_a_bus_can_do() -> None:
    from joelclaw_bus.testing import TestBus

    text = GUIDE.read_text("utf-8")
    public = [name for name in vars(TestBus) if not name.startswith("_") and name != "saw"]
    assert [name for name in public if f"bus.{name}" not in text] == []
