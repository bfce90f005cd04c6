"""Chaos: real workers on a real store, killed, frozen and cut off at seeded moments, judged by what they wrote down.

`make chaos` runs it long, `python -m tests.chaos --short` in about a minute. Reading order:

| room      | duty                                                                             |
|-----------|----------------------------------------------------------------------------------|
| plan      | how much of what, and which fault when: all of it from the seed                   |
| ledger    | the append-only file outside the store, one JSON line an act                      |
| load      | the events and the functions that the workers run                                 |
| tap       | writes into the ledger what a worker takes, begins and was allowed to write       |
| worker    | one worker process; `publisher` the one that sends                                |
| builds    | a second build of the bus: newer records, other script texts                      |
| seats     | the workers' places: each with a proxy of its own; start, kill, stop, wake        |
| monkeys   | carry the plan out                                                                |
| look      | the last look at the store, written into the ledger too                           |
| story     | the ledger read back: lives, holdings, runs                                       |
| judge     | figures and their limits, from the story alone (runs, recovery, ticks, counts)    |
| report    | one line a figure, and where to look after a miss                                 |
"""
