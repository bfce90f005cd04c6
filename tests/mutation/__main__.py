"""`make mutants`: each mutant against its tests and the model; a table, and 1 when one of them lives.

Arguments are parts of the names of mutants to try; none: all of them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mutation.attack import MODEL, Unfit, Verdict, attack, mutated
from tests.mutation.mutant import Mutant
from tests.mutation.mutants import MUTANTS


def main(wanted: list[str]) -> int:
    """The table. The first row is the package as it is: it must live."""
    chosen = [m for m in MUTANTS if not wanted or any(part in m.name for part in wanted)]
    if not chosen:
        print(f"no mutant's name has any of {', '.join(map(repr, wanted))} in it")
        return 2
    print(f"{'mutant':48} {'tests':>6} {'model':>6}  killed by", flush=True)
    everything = tuple(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
    alive = [] if _line(None, everything, True) == ["", ""] else ["the package as it is was not passed by all tests"]
    for mutant in chosen:
        killers = _line(mutant, mutant.tests, mutant.model)
        alive += [
            f"{mutant.name}: {who} did not miss it"
            for who, by in zip(("the tests", "the model"), killers, strict=False)
            if not by
        ]
    print("\n".join(["", *alive] if alive else [f"\nall {len(chosen)} mutants were killed"]))
    return 1 if alive else 0


def _line(mutant: Mutant | None, tests: tuple[str, ...], model: bool) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        try:
            copy = mutated(mutant, Path(directory))
            by_tests = attack(copy, [f"tests/bus/{test}" for test in tests])
            by_model = attack(copy, [MODEL]) if model else None
        except Unfit as fault:
            print(fault, flush=True)
            return ["", ""]
    verdicts = [by_tests, *([by_model] if by_model else [])]
    times = [f"{v.seconds:5.0f}s" for v in verdicts] + ["     -"] * (not model)
    who = ", ".join(_short(v) for v in verdicts if v.by)
    print(
        f"{mutant.name if mutant else '(nothing is changed)':48} {times[0]} {times[1]}  {who or 'NOTHING'}", flush=True
    )
    return [v.by for v in verdicts]


def _short(verdict: Verdict) -> str:
    return "the model" if "test_model" in verdict.by else verdict.by.partition("::")[2] or verdict.by


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
