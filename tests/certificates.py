"""Certificates for tests: good ones, and all kinds of bad ones."""

from __future__ import annotations

import ssl
from pathlib import Path

from gchat.server.make_cert import made
from gchat.server.settings import TlsSection


def certificate(directory: Path, *names: str, days: int = 30, name: str = "cert") -> TlsSection:
    """Return the settings of a certificate that is made in `directory`; with `days` below 0 it has ended."""
    pem, key = made(names or ("localhost", "127.0.0.1"), days)
    paths = directory / f"{name}.pem", directory / f"{name}.key"
    paths[0].write_bytes(pem)
    paths[1].write_bytes(key)
    return TlsSection(cert=str(paths[0]), key=str(paths[1]))


def client_context(section: TlsSection) -> ssl.SSLContext:
    """Return the context of a client that trusts this certificate alone."""
    context = ssl.create_default_context(cafile=section.cert)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context
