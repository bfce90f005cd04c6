"""Who retries what, when, and when to stop.

A request for healing comes in; the adapter of its domain says what kind of failure it is and which target it means;
the policy (one pure page) says retry, hold, escalate or refuse, and names the rule; the ledger records incident,
budget, answer and evidence in one step; when the time has come the route event is handed over.

Reading order: `rules`, `policy` (the judgement), `clamps`, `adapters/`, `route` (where a retry may go), `replies`
(what is said to others), `desk` (judgement and ledger together), `functions` (what runs when).
"""
