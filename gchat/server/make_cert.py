"""A certificate for trying TLS: made with its key by `gchat-server --make-cert`, signed by itself."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import time
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: How long it is valid.
DAYS = 365

#: What the machine is called by its own programs.
_USUAL = ("localhost", "127.0.0.1", "::1")


def make_cert(directory: str, names: Sequence[str], days: int = DAYS) -> tuple[str, str, list[str]]:
    """Make cert.pem and key.pem in `directory`, created if missing; return their paths, and the names in it.

    Without `names`, these are of this machine. Nothing is overwritten. Raises OSError, and ValueError for a name that
    no certificate can have.
    """
    names = list(names) or list(dict.fromkeys((*_USUAL, socket.gethostname())))
    certificate, key = made(names, days)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    paths = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    for path in paths:
        if os.path.lexists(path):
            raise FileExistsError(0, "it is there already; remove it, or choose another directory", path)
    for path, content, mode in zip(paths, (certificate, key), (0o644, 0o600), strict=True):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(content)
    return *paths, names


def made(names: Iterable[str], days: int = DAYS) -> tuple[bytes, bytes]:
    """Return a certificate and its key (ECDSA, P-256), both in PEM. Raises ValueError."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    names = list(names)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    now = dt.datetime.fromtimestamp(int(time.time()), dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,  # its own
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=min(-1, days - 1)))  # clocks elsewhere may be behind
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.encode("idna").decode())
    except UnicodeError:
        raise ValueError(f'"{name}" is not a host name or an address') from None
