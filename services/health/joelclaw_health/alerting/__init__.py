"""Alerts on their way to people. Reading order: letter, outlets (pure), delivery (one page of rules), memory.

| file          | duty                                                                   |
|---------------|------------------------------------------------------------------------|
| letter        | what a message's id says: thread, transition, repeat                   |
| outlets       | which channel goes out where                                           |
| delivery      | one letter to one outlet: told, dropped, unclear or failed             |
| memory        | what the store remembers of it                                         |
| terminal      | the line on stderr and in alerts.log                                   |
| apprise_target | the library that reaches people elsewhere                             |
| outside       | the same without the store                                             |
| digest        | the one message a day                                                  |
"""
