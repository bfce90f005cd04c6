"""A second build of the bus: a copy of the package with a newer record format and other script texts.

It stands for the next version in a rolling update. (The newer event field and step are in `load`.)
"""

from __future__ import annotations

import compileall
import re
import shutil
from pathlib import Path

import joelclaw_bus


def newer_build(directory: Path) -> Path:
    """Make it; the directory to put first on a process's path."""
    package = directory / "joelclaw_bus"
    shutil.copytree(Path(joelclaw_bus.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    record = package / "lua" / "lib" / "record.lua"
    text, count = re.subn(
        r"RECORD_FORMAT = (\d+)", lambda m: f"RECORD_FORMAT = {int(m[1]) + 1}", record.read_text(), count=1
    )
    assert count == 1, "record.lua names no RECORD_FORMAT"
    record.write_text(text)
    for script in (package / "lua").glob("*.lua"):
        script.write_text(script.read_text() + "-- as the next build writes it\n")
    compileall.compile_dir(package, quiet=1)  # its workers start as quickly as the others
    return directory
