"""The liveness auditor: every open run names one state and the store agrees; what doesn't is named and repaired.

| module   | duty                                                                       |
|----------|----------------------------------------------------------------------------|
| facts    | what was seen: plain values, no store                                      |
| judge    | pure: what is wrong with it, and what repairs it                           |
| calls    | the scripts that read a page, and those that repair one thing of it        |
| told     | what is named once, and not again at every pass                            |
| pages    | one pass over a slot: its runs, what waits, its groups and ids             |
| walk     | one pass over all keys: what no index names, what nobody would ever clear  |
| waits    | runs that wait for an event whose slot does not know of them               |
| permits  | holders and waiters whose runs are over                                    |
| auditor  | the loop: whose turn it is, how fast, and what is told                     |

Each page is read in one script, so what it says of a slot is one moment's truth. A repair is another script that looks
again at what was judged: of two auditors one repairs, and an owner who was only slow keeps what is his.
"""
