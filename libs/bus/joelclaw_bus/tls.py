"""What to do when two ends don't speak the same TLS: the libraries' words name neither the setting nor its remedy."""

from __future__ import annotations

import ssl

_CERTIFICATE = "check ssl_ca_certs in REDIS_URL: rediss://host:port/0?ssl_ca_certs=/path/ca.crt"
_NOT_TLS = "it speaks no TLS there: write redis:// in REDIS_URL, or its TLS port"
_ASKS_FOR_ONE = "it asks for a client certificate: add ssl_certfile and ssl_keyfile to REDIS_URL"
_PERHAPS_TLS = "is it running, does REDIS_URL name it, and does it speak TLS there (then write rediss://)?"


def advice(error: BaseException, where: str) -> tuple[str, ...]:
    """The remedy for a connection that failed, where TLS has to do with it; else none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (_CERTIFICATE,)
    if cause is not None:
        return (_ASKS_FOR_ONE if "CERTIFICATE_REQUIRED" in str(cause).upper().replace(" ", "_") else _NOT_TLS,)
    closed = "closed by server" in str(error) or isinstance(error, ConnectionResetError)
    return (_PERHAPS_TLS,) if closed and where.startswith("redis://") else ()
