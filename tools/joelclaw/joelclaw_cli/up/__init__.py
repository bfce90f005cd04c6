"""`joelclaw up`: the suite on one machine.

| module      | duty                                                                    |
|-------------|-------------------------------------------------------------------------|
| command     | the command and its options                                             |
| suite       | the order of things: lock, orphans, store, services, ready, stop         |
| services    | the table of services, and what each gets in its environment            |
| child       | one service's process: start, lines, ready file, stop, lock              |
| restarts    | pure: when a service that died is started again                         |
| feed        | what the operator sees                                                  |
| alerts      | entries of `gateway/send.message`, shown as they come                   |
| down        | `joelclaw down`                                                         |

If the supervisor is killed, store and services go on working: an operator's slip must not stop the healing. Each holds
a lock that it inherited, so the next `up` (or `down`) finds them without trusting recycled process numbers, ends them,
and only then starts its own: never two stores, never two routers of one suite.
"""
