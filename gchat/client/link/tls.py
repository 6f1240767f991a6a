"""TLS for a link: which certificates are trusted, the handshake, and why it failed in plain words.

Nothing is remembered of a server's certificate: to trust on first use would be to trust an attacker who is there first,
and to ask again at each renewal. A file of `ca` does better, and may be the server's own certificate.
"""

from __future__ import annotations

import os
import socket as names  # its constants
import ssl as openssl  # its constants and errors; the sockets are gevent's

from gevent import socket, ssl

from gchat.client.files.safety import Safety
from gchat.client.link.dial import raw, reason_of
from gchat.client.link.foreign_server import is_text, shown
from gchat.model.errors import GchatError

#: So much is shown of what a server says that speaks no TLS.
_PEEKED_BYTES = 200

# After "cannot connect to SERVER: ", or alone in a toolbar, where the first words count.
NO_TLS = "the server does not speak TLS on this port; without TLS others could read along"
ENDED = "the server ended the TLS handshake; it may not speak TLS on this port"
UNKNOWN_ISSUER = (
    "its certificate has an unknown issuer; if it is the right server, have its certificate or that of the issuer in a "
    "file, and use --ca FILE"
)
EXPIRED = "its certificate has expired; its operator must renew it"
NOT_YET_VALID = "its certificate is not valid yet; is the clock of this machine right?"
TOO_OLD = "the server has no TLS that is safe today; 1.2 or 1.3 is needed"
REFUSED = "the server refused the TLS handshake; it may have no TLS on this port, or only one that is not safe today"
WANTS_CERTIFICATE = "the server wants a certificate from its clients, and gchat-client has none"

# X509_V_ERR_..., see openssl/x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUERS = (18, 19, 20, 21)  # signed by itself, by an unknown root; no issuer, or only one certificate
_OTHER_NAMES = (62, 64)  # not for this name, or address


class TlsUnusable(GchatError):
    """No TLS is possible on this machine; the text says why."""


class Trust:
    """Whom a link trusts by TLS, 1.2 and newer: servers that prove their name by a certificate.

    Its issuer is one that this machine trusts, or instead one in the file `ca`, which may as well hold certificates of
    servers themselves. If it is `insecure`, any certificate will do. Raises TlsUnusable.
    """

    no_answer = "no answer to the TLS handshake; the server may not speak TLS on this port"

    def __init__(self, *, ca: str = "", insecure: bool = False) -> None:
        self.safety = Safety.UNCHECKED if insecure else Safety.CHECKED
        self._context = ssl.SSLContext(openssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = openssl.TLSVersion.TLSv1_2
        self._context.options |= openssl.OP_NO_RENEGOTIATION  # else a write could have to wait for a read
        if insecure:
            self._context.check_hostname = False
            self._context.verify_mode = openssl.CERT_NONE
        elif ca:
            self._trust(ca)
        else:
            self._context.load_default_certs()

    def _trust(self, path: str) -> None:
        self._context.verify_flags |= openssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate is enough
        try:
            self._context.load_verify_locations(cafile=path)
        except openssl.SSLError:
            raise TlsUnusable(f"{path} has no certificate in it; expected certificates in PEM") from None
        except OSError as error:
            raise TlsUnusable(f"cannot read {path}: {os.strerror(error.errno or 0).lower()}") from None

    def wrapped(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        """Return `sock`, a connection to `host`, for TLS; `shake_hands` comes next. Raises ValueError."""
        name = host.strip("[]").partition("%")[0].removesuffix(".")
        return self._context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)

    def shake_hands(self, sock: ssl.SSLSocket, host: str) -> None:
        """Agree on the keys, and check the certificate. Raises OSError, with the reason in plain words."""
        try:
            sock.settimeout(0)
            try:
                sock.do_handshake()  # says hello
            except openssl.SSLWantReadError:
                pass
            finally:
                sock.settimeout(None)
            socket.wait_read(sock.fileno())
            if sock.cipher() is None:  # no answer was taken in
                _check_is_tls(raw(sock).recv(_PEEKED_BYTES, names.MSG_PEEK))
            sock.do_handshake()
        except openssl.SSLCertVerificationError as error:
            raise OSError(_distrusted(error, host)) from None
        except (openssl.SSLEOFError, ConnectionError):
            raise OSError(ENDED) from None
        except openssl.SSLError as error:
            raise OSError(_failure_text(error)) from None

    @staticmethod
    def is_agreed(sock: socket.socket) -> bool:
        """Return whether the handshake is done: before it, no answer says nothing about the server."""
        return isinstance(sock, ssl.SSLSocket) and sock.version() is not None

    @staticmethod
    def reason_of(error: Exception) -> str:
        """Return why a connection failed or ended: see dial.reason_of."""
        return _failure_text(error) if isinstance(error, openssl.SSLError) else reason_of(error)


def _failure_text(error: openssl.SSLError) -> str:
    """Return in plain words what OpenSSL says of a handshake, or of a connection."""
    reason = error.reason or ""
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return TOO_OLD
    if "WRONG_VERSION_NUMBER" in reason:
        return NO_TLS
    if "CERTIFICATE_REQUIRED" in reason:
        return WANTS_CERTIFICATE
    if "HANDSHAKE_FAILURE" in reason:  # also from a gchat-server without a certificate
        return REFUSED
    _, is_alert, alert = reason.partition("_ALERT_")
    words = (alert or reason or str(error)).replace("_", " ").lower()
    return f"the server refused TLS: {words}" if is_alert else f"TLS failed: {words}"


def _check_is_tls(start: bytes) -> None:
    """Raise OSError if the answer of a server is plain text: one that is full, or of another kind, may say why."""
    line = start.splitlines()[0] if start else b""
    if line and is_text(line):  # no record of TLS is
        raise OSError(f'{NO_TLS}; it said "{shown(line)}"')


def _distrusted(error: openssl.SSLCertVerificationError, host: str) -> str:
    match error.verify_code:
        case code if code in _UNKNOWN_ISSUERS:
            return UNKNOWN_ISSUER
        case code if code in _OTHER_NAMES:
            return f"its certificate is not for {host}; connect by a name that it is for"
        case code if code == _EXPIRED:
            return EXPIRED
        case code if code == _NOT_YET_VALID:
            return NOT_YET_VALID
    return f"its certificate is not valid: {error.verify_message}"
