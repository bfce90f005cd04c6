"""The read room: what lies in the store, as facts for people and programs. Nothing here changes anything.

| module   | answers                                                     |
|----------|-------------------------------------------------------------|
| replies  | how raw replies become text and pairs                       |
| names    | which event streams there are                               |
| streams  | how long, who reads, who lags, what waits, what died        |
| entries  | the events themselves: the latest, or as they come          |
| runs     | runs of functions, and one run in full                      |
| active   | what runs at this moment, and in whose hands                |
| explain  | why a run isn't moving, and what to do                      |
| find     | which run a word means (event_entries: where an event lies) |
| spans    | times as words                                              |
| workers  | which workers live, and what they run                       |
| due      | what waits for its time                                     |
| dead     | dead letters                                                |

Every list is bounded by its caller's `limit`.
"""
