"""What to do when two ends don't speak the same TLS: the libraries' words name neither the setting nor its remedy.

| what happened                               | the remedy names                          |
|---------------------------------------------|-------------------------------------------|
| the certificate is of an unknown authority  | ssl_ca_certs                              |
| the certificate is another host's           | the host in REDIS_URL                     |
| the server asks for a client's certificate  | ssl_certfile, ssl_keyfile                 |
| a file that the address names is not there  | that it can't be read                     |
| other TLS trouble, or it hangs up or waits  | redis:// for rediss://, or the other way; |
|                                             | a client's certificate: it may only hang up |
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

_AUTHORITY = "let REDIS_URL name the authority that signed it: rediss://host:port/0?ssl_ca_certs=/path/ca.crt"
_HOST = "let REDIS_URL name the host as the certificate does"
_ASKS = (
    "it asks for a client's certificate: add ssl_certfile=/path/client.crt&ssl_keyfile=/path/client.key to REDIS_URL"
)
_FILE = "a file that REDIS_URL names (ssl_ca_certs, ssl_certfile, ssl_keyfile) can't be read"
_PERHAPS_PLAIN = (
    "is it running, does REDIS_URL name it, does it speak TLS there (else write redis://), and does it ask for a "
    "client's certificate (then add ssl_certfile=/path/client.crt&ssl_keyfile=/path/client.key)?"
)
_PERHAPS_TLS = "is it running, does REDIS_URL name it, and does it speak TLS there (then write rediss://)?"
_HANGS_UP = ("closed by server", "Connection lost", "Connection reset")
_HOST_MISMATCH = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def advice(error: BaseException, where: str) -> tuple[str, ...]:
    """The remedy for a connection that failed, where TLS has to do with it; else none."""
    text, secure = str(error), where.startswith("rediss://")
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return (_HOST if cause.verify_code in _HOST_MISMATCH else _AUTHORITY,)
            case ssl.SSLError():
                return (_ASKS if "CERTIFICATE_REQUIRED" in str(cause) else _PERHAPS_PLAIN,)
            case FileNotFoundError() | PermissionError() if secure:
                return (_FILE,)
    if secure:
        return (_PERHAPS_PLAIN,)
    return (_PERHAPS_TLS,) if any(words in text for words in _HANGS_UP) else ()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
