"""Health: what is well, and who must hear when it is not.

Every fifteen minutes, or when asked, `system/check-system-health` probes the store, the services' heartbeats, their
HTTP, what waits on the streams, the runtime, and backups: where they go, and how old the newest verified one is. A
probe understands and reports `ok | failing | unknown`; the judge counts confirmations and closings on what the store
remembers; a transition is told once, and where somebody can remedy it, healing is asked for. What is not configured is
not probed, and can't be red.

| file                     | duty                                                                         |
|--------------------------|------------------------------------------------------------------------------|
| sample, judge, coverage  | pure: what was seen, what it means, what follows                             |
| cadence                  | pure: how far apart the instants of a schedule are                           |
| plan                     | pure: transitions as letters (alerts, requests)                              |
| book, lua/turn           | what is remembered, changed in one atomic step with its letters              |
| registry, probes/        | understanding; one file a probe, one a foreign library                       |
| clinic                   | a round: probe, judge, write down, close                                     |
| functions                | what runs when                                                               |
| alerting/                | alerts on their way to people, the digest                    |
| deadman                  | the heartbeat to an address outside                                          |
| opening                  | the first round after a start                                                |
| settings, service        | configuration to values; the worker put together                             |
"""
