"""What a look at process and HTTP means: one pure table. Only `failing` may ever lead to a restart.

| process            | no URL  | 2xx | refused | wrong answer | time-out, unreachable, no such name |
|--------------------|---------|-----|---------|--------------|-------------------------------------|
| running            | ok      | ok  | failing | failing      | unknown                             |
| stopped (`T`)      | failing | failing whatever HTTP does: the kernel says so, not the clock  ||||
| gone, never started| failing | ok  | failing | unknown      | unknown                             |
| unclear            | unknown | ok  | unknown | unknown      | unknown                             |
| no command (alien) | unknown | ok  | unknown | unknown      | unknown                             |

A wrong answer in the place of a process that is gone comes from a stranger on its port: not ours to end.
"""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_healing import Seen
from joelclaw_healing.http_probe import Http
from joelclaw_runtime_remediator.process import Sighting, State


@dataclass(frozen=True, slots=True)
class Verdict:
    """`starting_may_explain`: what is seen is also what a runtime looks like that has just been started."""

    seen: Seen
    starting_may_explain: bool = False


def verdict(process: Sighting | None, http: Http) -> Verdict:
    """`process`: None where no command is configured, so that nothing is ours."""
    if process is not None and process.state is State.STOPPED:
        return Verdict(Seen.FAILING)
    if http is Http.OK:
        return Verdict(Seen.OK)
    if process is None or process.state is State.UNCLEAR or http is Http.SILENT:
        return Verdict(Seen.UNKNOWN)
    if process.state is State.RUNNING:
        if http is Http.UNASKED:
            return Verdict(Seen.OK)
        return Verdict(Seen.FAILING, starting_may_explain=True)
    return Verdict(Seen.UNKNOWN if http is Http.WRONG else Seen.FAILING)
