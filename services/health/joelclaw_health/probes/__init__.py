"""Understanding: each file asks one kind of thing and says ok, failing or unknown; none judges, none changes a thing.

A time-out is unknown. A definite answer that is bad (refused, 503, an error) is failing.
"""
