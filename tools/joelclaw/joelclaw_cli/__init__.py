"""The operator's hand: the `joelclaw` command.

Reading order: `root` (the command tree and the exit codes), `command` (what every command has: examples, `--json`),
`answer` (what a command returns), `failures` (what each error means to an operator), `place` (where the store is),
then a package or file per noun: `up`, `bus`, `heal`, `otel`, `nas`. Commands fetch, `render` draws.
"""
