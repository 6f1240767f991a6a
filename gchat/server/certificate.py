"""The certificate that the server shows in TLS, with its key: checked before they are used.

It is loaded only where TLS is on, because ssl takes 5 ms of the start and 3 MiB.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
import stat
import time
from calendar import timegm
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

import gevent.socket
import gevent.ssl

from gchat.model.errors import GchatError
from gchat.server.settings import TlsSection

#: A certificate that ends so soon is warned of.
SOON_S = 14 * 86400

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_REASONS = {
    "KEY_VALUES_MISMATCH": "the key is of another certificate",
    "KEY_TYPE_MISMATCH": "the key is of another certificate",
    "EE_KEY_TOO_SMALL": "the key is too small",
    "CA_KEY_TOO_SMALL": "the key of a certificate that is above it is too small",
    "CA_MD_TOO_WEAK": "it is signed with an algorithm that is not safe any more",
}


class CertificateError(GchatError):
    """The certificate cannot be used: says which file, why, and what to do."""


class Certificate:
    """A certificate that can be used now, in contexts for both kinds of sockets. Raises CertificateError."""

    def __init__(self, section: TlsSection) -> None:
        self.path = section.cert
        self.begins_at, self.ends_at = _validity(section.cert)
        now = time.time()
        if now >= self.ends_at:
            raise _unusable(section.cert, f"it ended on {shown(self.ends_at)}; renew it")
        if now < self.begins_at:
            raise _unusable(section.cert, f"it begins on {shown(self.begins_at)}; is the clock of this machine right?")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.gevent_context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.gevent_context.sslsocket_class = StayingSocket
        for context in (self.context, self.gevent_context):
            _load(context, section)

    @property
    def warning(self) -> str:
        """What there is to say of it today; "" if nothing."""
        if time.time() < self.ends_at - SOON_S:
            return ""
        has_ended = time.time() >= self.ends_at
        return f"the certificate {self.path} {'ended' if has_ended else 'ends'} on {shown(self.ends_at)}; renew it"


class StayingSocket(gevent.ssl.SSLSocket):
    """A socket of gevent's that stays in TLS when it is shut down: others forget that, and send plain text."""

    def shutdown(self, how: int) -> None:
        """Shut it down, behind a close_notify if nothing more is to be sent."""
        if how != socket.SHUT_RD:
            timeout_s = self.gettimeout()
            self.settimeout(0)
            with suppress(OSError, ValueError):
                self.unwrap()
            self.settimeout(timeout_s)
        gevent.socket.socket.shutdown(self, how)


def shown(at: float) -> str:
    """Return a time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _load(context: ssl.SSLContext, section: TlsSection) -> None:
    key = section.key or section.cert
    context.minimum_version = _VERSIONS[section.min_version]
    # ncat ends a stream without a close_notify, and still reads the answer; every line has an end of its own.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_IGNORE_UNEXPECTED_EOF
    context.num_tickets = 0  # with an elliptic curve they save next to nothing, and each costs a tenth of a handshake
    if b"PRIVATE KEY-----" not in (pem := _read("tls.key", key)):
        raise CertificateError(f'tls.key = "{key}": there is no private key in PEM in it')
    if b"ENCRYPTED" in pem:
        raise CertificateError(
            f'tls.key = "{key}": the key has a passphrase, and nobody is there to type it; "openssl pkey" takes it off'
        )
    try:
        context.load_cert_chain(section.cert, key, password=_no_passphrase)
    except ssl.SSLError as error:
        reason = error.reason or "OpenSSL does not understand it"
        raise _unusable(section.cert, _REASONS.get(reason) or f"with the key {key}: {reason}") from None
    except OSError as error:
        raise _unusable(section.cert, os.strerror(error.errno or 0).lower()) from None


def _no_passphrase() -> NoReturn:
    raise ssl.SSLError(1, "the key has a passphrase")  # without this, OpenSSL would ask the terminal


def _unusable(path: str, why: str) -> CertificateError:
    return CertificateError(f'tls.cert = "{path}": {why}')


def _read(setting: str, path: str) -> bytes:
    """Return the content of a regular file. Raises CertificateError."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise CertificateError(f'{setting} = "{path}": it is not a regular file')
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else str(error)
        raise CertificateError(f'{setting} = "{path}": {why}') from None


def _leaf(path: str) -> str:
    """Return the first certificate in a file, which is the server's own, in base64. Raises CertificateError."""
    pem = _read("tls.cert", path).decode("ascii", "replace")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    _, found, rest = pem.partition(begin)
    body, ended, _ = rest.partition(end)
    if not (found and ended):
        raise _unusable(path, "there is no certificate in PEM in it")
    return body


# --- ASN.1, as much as it takes to see from when until when a certificate is valid (RFC 5280, section 4.1) ------------

_VERSION, _UTC_TIME = 0xA0, 0x17


def _validity(path: str) -> tuple[float, float]:
    """Return from when until when a certificate is valid, in seconds since 1970. Raises CertificateError."""
    leaf = _leaf(path)
    try:
        ((_, certificate),) = _elements(base64.b64decode(leaf))
        (_, signed), *_ = _elements(certificate)
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        begins, ends = _elements(fields[3])
        return _time(*begins), _time(*ends)
    except (ValueError, IndexError):
        raise _unusable(path, "the certificate in it is damaged") from None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the elements of a sequence: their tags and contents. Raises IndexError if it is cut off."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count])
            at += count
        if at + size > len(data):
            raise IndexError
        yield tag, data[at : at + size]
        at += size


def _time(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
