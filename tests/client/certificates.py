"""Certificates for tests, made with openssl, and TLS with them as a server speaks it."""

from __future__ import annotations

import ssl as openssl
import subprocess
from pathlib import Path

from gevent import ssl

from tests.e2e.tools import need

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificate:
    """A certificate and its key, in files."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"

    def server(self, newest: openssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Return TLS for a server with this certificate."""
        context = ssl.SSLContext(openssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        if newest:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = newest
        return context


def self_signed(directory: Path, name: str = "own", *, names: str = "DNS:localhost,IP:127.0.0.1") -> Certificate:
    """Make a certificate that nobody else has signed."""
    made = Certificate(directory, name)
    _openssl("req", "-x509", *_KEY, "-keyout", made.key, "-out", made.path, *_subject(name, names))
    return made


def signed(
    directory: Path, name: str, issuer: Certificate, *, days: int = 2, names: str = "IP:127.0.0.1"
) -> Certificate:
    """Make a certificate that `issuer` has signed; with negative days it has expired."""
    made = Certificate(directory, name)
    request, extensions = directory / f"{name}.csr", directory / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\n")
    _openssl("req", "-new", *_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
    _openssl(
        *("x509", "-req", "-in", request, "-CA", issuer.path, "-CAkey", issuer.key, "-CAcreateserial"),
        *("-days", str(days), "-extfile", extensions, "-out", made.path),
    )
    return made


def _subject(name: str, names: str) -> tuple[str, ...]:
    return "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([need("openssl"), *map(str, arguments)], check=True, capture_output=True)
