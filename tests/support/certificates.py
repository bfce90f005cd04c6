"""A certificate authority of the test's own, made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificates:
    """`ca`: what clients trust; `certificate` and `key`: the server's, for 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path

    def server_options(self, port: int) -> tuple[str, ...]:
        return (
            *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(self.ca)),
            *("--tls-cert-file", str(self.certificate), "--tls-key-file", str(self.key)),
        )


def make_certificates(directory: Path) -> Certificates:
    directory.mkdir(parents=True, exist_ok=True)
    made = Certificates(directory / "ca.crt", directory / "server.crt", directory / "server.key")
    ca_key, request, extra = directory / "ca.key", directory / "server.csr", directory / "server.ext"
    extra.write_text("subjectAltName=IP:127.0.0.1\n")
    _openssl("req", "-x509", *_EC, "-days", "2", "-subj", "/CN=tests' own", "-keyout", ca_key, "-out", made.ca)
    _openssl("req", *_EC, "-subj", "/CN=store", "-keyout", made.key, "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-CA", made.ca, "-CAkey", ca_key, "-CAcreateserial"),
        *("-days", "2", "-extfile", extra, "-out", made.certificate),
    )
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
