"""Is the runtime alive; if not, restart it safely. And: which endpoints do this bus's failed runs say are unreachable.

The runtime is a command that configuration names (`runtime`). It is supervised from outside: it runs in a session of
its own, outlives this service, and is ended and started only by `supervise`, only with an intent of the guard.

Reading order: `verdict` and `watch` (the judgement, pure), `process` (what the kernel says), `probe` (that and HTTP, as
one sample), `supervise` with `launch` (the one restart), `request`, `remedy` (a run, step by step), `telling` (what
others are told), `investigate` (failed runs), `functions` (what runs when).
"""
