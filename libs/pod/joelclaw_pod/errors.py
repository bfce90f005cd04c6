"""What can keep a service from running.

PodError                    a fault; its message is the one line a person gets
├── SettingsError           a variable that is missing, wrong or unknown         → exit code 2
├── CannotListen            the probes' address can't be used                    → exit code 2
├── WorkerEnded             the worker stopped though nobody asked it to         → exit code 1
└── StopOverdue             the worker did not stop within its grace             → exit code 1
"""

from __future__ import annotations


class PodError(Exception):
    """A fault of the shell; `str()` of it is one line."""


class SettingsError(PodError):
    """`variable` has a problem, and `remedy` ends it. The value itself is shown only where it can be no secret."""

    def __init__(self, variable: str, problem: str, remedy: str) -> None:
        self.variable = variable
        super().__init__(" ".join(f"{variable} {problem}; {remedy}".split()))


class CannotListen(PodError):
    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(
            f"the probes can't listen on {host} port {port}: {problem}; "
            "stop what listens there, or set JOELCLAW_HTTP_PORT (0 takes any free port)"
        )


class WorkerEnded(PodError):
    def __init__(self, service: str) -> None:
        super().__init__(f"the worker of {service} ended though nobody asked it to stop; see the lines before this one")


class StopOverdue(PodError):
    def __init__(self, service: str, seconds: float) -> None:
        super().__init__(
            f"{service} did not stop within {seconds:g} s and was cut off; its open runs are taken over when their "
            "leases expire (JOELCLAW_GRACE_MS gives it longer)"
        )
