"""The bus in plain Python: what each operation must answer, and what must be so after it. No store, no clock.

Read in this order: `nouns` (what a bus remembers), `runs` (the life of one run), `moves` (what others do to it),
`streams` (how entries come and go), `permits`, `letters` and `delivery` (what crosses slots), `waits`, `cron`. Each
function names the promise that it states (DESIGN 3). Answers are plain values; a refusal or another odd end is a pair
like `("refused", "lease")`.
"""
