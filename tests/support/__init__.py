"""Real parts for tests: servers, workers, what was seen."""
