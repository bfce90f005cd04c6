"""The seed of a random campaign: given, or fixed where a commit is judged, or new."""

from __future__ import annotations

import os
import random

FIXED = 20261122


def seed_of(variable: str) -> int:
    """What `variable` says. Else, under CI, always the same: what was green stays green, and red speaks of the commit.
    Else a new one: the campaigns by hand look for what nobody has seen."""
    fallback = FIXED if os.environ.get("CI") else random.SystemRandom().randrange(2**32)
    return int(os.environ.get(variable, fallback))
