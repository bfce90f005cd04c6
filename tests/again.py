"""`python -m tests.again FILE`: were the few tests that failed a chance, or a fault? (docs/decisions/0160)

FILE holds their ids (tests/support/failed.py). At most `FEW` are looked at again, and each has to pass `TIMES` in a
row. Exit 0 says that all did; they are named as unstable, for whoever reads the log has a test to mend. Anything else
is red: more failures than that, none listed (the run itself broke), or one more failure.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FEW = 3
TIMES = 5


def judged(failed: list[str]) -> str | None:
    """Why these failures are red without another look, or None where they deserve one."""
    if not failed:
        return "again: no failed test is listed, so the run itself broke; see above"
    if len(failed) > FEW:
        return f"again: {len(failed)} tests failed, more than the {FEW} that chance is believed of; see above"
    return None


def held(tests: list[str]) -> bool:
    """They passed every time, alone. A test that was skipped or not found passed nothing."""
    for look in range(1, TIMES + 1):
        print(f"again: look {look} of {TIMES} at {len(tests)} failed", flush=True)
        every = ["-m", "typesense or not typesense"]  # the configuration leaves one group out
        ran = subprocess.run([sys.executable, "-m", "pytest", "-n", "0", "-rs", *every, *tests], check=False)
        if ran.returncode:
            return False
    return True


def main(file: Path) -> int:
    failed = sorted(set(file.read_text().split("\n")) - {""}) if file.exists() else []
    red = judged(failed)
    if red is None and not held(failed):
        red = "again: it failed again, so it is no chance; see above"
    if red is not None:
        print(red)
        return 1
    for test in failed:
        print(f"again: UNSTABLE, mend it: {test} failed once, then passed {TIMES} times in a row")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
