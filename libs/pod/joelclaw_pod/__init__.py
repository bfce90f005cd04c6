"""The shell every service wears: settings, logs, probes, metrics, traces, evidence, and an honest start and stop.

    def build(pod: Pod) -> WorkerLike:          # the service's own wiring; no call to the store in here
        return Worker(pod.store, functions, settings=pod.worker_settings, observer=pod.observer)

    def main() -> None:
        raise SystemExit(run_service("router", build))

| file                                     | duty                                                              |
|------------------------------------------|-------------------------------------------------------------------|
| serve, shell, store_wait, ready_file     | from the environment to the exit code                             |
| shifts                                   | one worker after the other: SIGHUP reads the configuration again  |
| settings, errors                         | what a service is told, and what is wrong with it                 |
| worker_like                              | what the shell asks of the worker it carries                      |
| answers (pure), probes                   | /live, /ready, /metrics                                           |
| metrics, tracing                         | the facts as numbers and as spans; one file per foreign library   |
| evidence, otel_record, error_limit       | records on `otel/event`, bounded                                  |
| fact_evidence                            | which facts of the bus are such records                           |
| last_resort                              | the alert that needs no store                                     |
| logs, redact, tee, wake                  | lines, secrets, several observers as one, a wake-up call          |
"""

from joelclaw_pod.errors import CannotListen, PodError, SettingsError, StopOverdue, WorkerEnded
from joelclaw_pod.evidence import Evidence
from joelclaw_pod.last_resort import LastResort, StoreWatch
from joelclaw_pod.serve import run_service
from joelclaw_pod.settings import ServiceSettings, read_settings
from joelclaw_pod.shell import Build, Pod
from joelclaw_pod.tee import Tee
from joelclaw_pod.tracing import Tracing
from joelclaw_pod.worker_like import Condition, Health, WorkerLike

__all__ = [
    "Build",
    "CannotListen",
    "Condition",
    "Evidence",
    "Health",
    "LastResort",
    "Pod",
    "PodError",
    "ServiceSettings",
    "SettingsError",
    "StopOverdue",
    "StoreWatch",
    "Tee",
    "Tracing",
    "WorkerEnded",
    "WorkerLike",
    "read_settings",
    "run_service",
]
