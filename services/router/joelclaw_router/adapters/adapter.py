"""What a domain tells the router about its failures. A new domain is one file with one registered adapter."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_router.failure import FailureClass


@dataclass(frozen=True, slots=True)
class Symptom:
    """What an adapter may look at. `cause` is the typed cause if the failing function knew it."""

    message: str
    cause: str = ""


class Adapter:
    """A domain without particulars: every failure is worth its retries, a target is what it is called."""

    default_route: str = ""
    """The event of a retry whose request names none; empty: such a request has no route."""

    def target(self, name: str) -> str:
        """The one name of this target, whatever it is called."""
        return name.strip()

    def classify(self, symptom: Symptom) -> FailureClass:
        del symptom
        return FailureClass.TRANSIENT
