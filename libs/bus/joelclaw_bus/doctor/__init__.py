"""What weakens the bus on this store, or keeps its work from moving: found, named, with what to do.

| module  | duty                                                                          |
|---------|-------------------------------------------------------------------------------|
| check   | one line of the answer, and what all of them mean together                    |
| server  | pure: settings, versions, memory, replicas, clocks                            |
| disk    | pure: whether what is acknowledged reaches the disk; health asks it too       |
| access  | whether everybody is let in                                                   |
| streams | pure: groups, dedupe windows, timers, outboxes, dead letters of one event     |
| workers | pure: who should be there and is not, mixed rollouts, pauses, runs            |
| read    | the store's facts for all of these                                            |
| examine | reads and judges part by part: what can't be read is not known, never well    |
"""
