"""Whole suites of workers in virtual time, over the real scripts on a real server: one seed, one history.

| module   | what                                                                                     |
|----------|------------------------------------------------------------------------------------------|
| loop     | an event loop whose time jumps, and whose processes can be frozen and killed             |
| faked    | the real server, under a clock that a file sets (`faketime`)                             |
| wire     | the shortest way to it: a blocking client that decodes nothing                           |
| network  | calls on their way: latency, outages, lost replies, blocked reads, nudges                |
| store    | `Store` over that network                                                                |
| process  | one worker process: its clocks, its renewal, its death                                   |
| program  | what the functions do, and the events that make them                                     |
| plan     | a seed as a history to play: who, what, and which faults                                 |
| judge    | the ledger outside the store, and the promises held against it                           |
| verdict  | what must be true when all is over                                                       |
| simulate | one seed, played                                                                         |

`make simulate` plays 1,000 seeds; `make simulate SEED=n` plays one again, with its trace. Decision record 0056.
"""
