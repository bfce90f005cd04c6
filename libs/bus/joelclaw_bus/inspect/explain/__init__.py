"""Why a run isn't moving, and what to do: one line each, from what the store says.

| cause       | the run                                                                       |
|-------------|-------------------------------------------------------------------------------|
| ended       | has ended: how and when                                                       |
| poisoned    | was buried: it began too often without an end                                 |
| buried      | was buried, or its event could not be read; its dead letter is what is left   |
| newer       | has a record of a format that only newer workers read                         |
| executing   | is being executed now, or waits in its process for its turn                   |
| lost-lease  | is in the hands of a worker that has been silent for longer than a lease      |
| paused      | its function is paused                                                        |
| limit       | waits for a permit, or for its turn to start                                  |
| debounce    | waits whether a later event of its key comes                                  |
| waits       | waits for an event                                                            |
| sleeps      | sleeps in a step                                                              |
| backoff     | waits for its next attempt                                                    |
| delayed     | has an event that is sent later                                               |
| overdue     | should have been woken                                                        |
| no-worker   | could go on, and no worker that lives has its function                        |
| no-group    | could go on, and its function has no group on its stream                      |
| no-function | has an event that no function ever registered for                             |
| behind      | could go on, and others lie before it, or its workers have no room            |
| queued      | is about to be read                                                           |
| broken      | what would move it is not in the store; the auditor repairs that              |

| module      | duty                                                    |
|-------------|---------------------------------------------------------|
| situation   | the facts of one run                                    |
| read, queue | read them                                               |
| judge       | pure: which of the rooms below tells it                 |
| over        | pure: ended, buried                                     |
| ready       | pure: in hand, unread, delayed                          |
| resting     | pure: held, waiting, asleep, between attempts           |
| who         | pure: who could move it, pauses, what the auditor mends |
| words       | pure: facts as words, harmless on a terminal            |
"""

from joelclaw_bus.inspect.explain.explanation import Explanation
from joelclaw_bus.inspect.explain.judge import explain
from joelclaw_bus.inspect.explain.read import read_situation
from joelclaw_bus.inspect.explain.situation import RunSituation

__all__ = ["Explanation", "RunSituation", "explain", "read_situation"]
