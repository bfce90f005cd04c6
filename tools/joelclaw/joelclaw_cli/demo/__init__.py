"""`joelclaw demo`: three things break on a suite of the demo's own, and are seen to heal.

Reading order: `proofs` (what must have been seen, pure), `stage` (the temporary suite), the acts `backup_act`,
`takeover_act` and `restart_act` (break something, watch, keep what was seen), `watch`, `telling`, `play`. `worker` and
`runtime` are processes that the acts break. An act never says what it did not see: it gathers facts, `proofs` judges.
"""
