"""`python -m tests.again FILE`: were the few tests that failed a chance, or a fault? (docs/decisions/0160)

FILE says how each test ended (tests/support/outcomes.py). At most `FEW` are looked at again, and each has to pass
`TIMES` in a row. Exit 0 says that all did; they are named as unstable, for whoever reads the log has a test to mend.
Anything else is red: more failures than that, none, a run that broke before all had run, one more failure, a skip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import outcomes

FEW = 3
TIMES = 5


def judged(failed: list[str], complete: bool) -> str | None:
    """Why these failures are red without another look, or None where they deserve one."""
    if not failed or not complete:
        return "again: the run itself broke before all tests had run; see above"
    if len(failed) > FEW:
        return f"again: {len(failed)} tests failed, more than the {FEW} that chance is believed of; see above"
    return None


def held(tests: list[str]) -> bool:
    """They passed every time, alone. A test that was skipped or not found passed nothing."""
    every = ["-m", "typesense or not typesense"]  # the configuration leaves one group out
    with tempfile.TemporaryDirectory() as folder:
        for look in range(1, TIMES + 1):
            print(f"again: look {look} of {TIMES} at {len(tests)} failed", flush=True)
            seen = Path(folder) / str(look)
            options = ["-n", "0", "-rs", "-p", "tests.support.outcomes", f"--outcomes={seen}", *every]
            subprocess.run([sys.executable, "-m", "pytest", *options, *tests], check=False)
            if outcomes.read(seen) != ([], tests, True):
                return False
    return True


def main(file: Path) -> int:
    failed, _, complete = outcomes.read(file)
    red = judged(failed, complete)
    if red is None and not held(failed):
        red = "again: not all passed again, so it is no chance; see above"
    if red is not None:
        print(red)
        return 1
    for test in failed:
        print(f"again: UNSTABLE, mend it: {test} failed once, then passed {TIMES} times in a row")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
