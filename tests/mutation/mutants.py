"""All mutants."""

from __future__ import annotations

from tests.mutation import of_crossing, of_runs, of_starts, of_streams

MUTANTS = (*of_runs.MUTANTS, *of_streams.MUTANTS, *of_crossing.MUTANTS, *of_starts.MUTANTS)
