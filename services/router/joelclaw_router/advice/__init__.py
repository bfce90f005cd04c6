"""The model layer: a model may advise, and can only narrow what the policy allows. Off unless it is configured.

question (what it is told) → client (one HTTP call) → answer (what it may say) → adviser (primary, fallback, breaker).
The policy alone decides what an answer changes.
"""
