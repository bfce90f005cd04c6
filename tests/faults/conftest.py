"""The bus's own look at what is left behind holds here too."""

from __future__ import annotations

from tests.bus.conftest import nothing_left_behind, one_store

__all__ = ["nothing_left_behind", "one_store"]
