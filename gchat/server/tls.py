"""TLS: which streams are in it, by their first byte, and with which certificate.

A stream in TLS begins with a handshake, and no line of chat does: so both come in by the same port. Nothing of TLS is
loaded where it is off.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent
from gevent.hub import get_hub

from gchat.server.listener import StartError
from gchat.server.logs import logger
from gchat.server.settings import TlsSection
from gchat.server.transport import SocketTransport, Transport

if TYPE_CHECKING:
    from gchat.server.certificate import Certificate

#: The first byte of a handshake (RFC 8446, section 5.1). Where TLS is on, no line of chat can begin with it (Ctrl+V).
HANDSHAKE = b"\x16"

#: A peer that has to use TLS is waited for so long. It speaks at once, but its first packet may be lost on the way.
FIRST_BYTE_S = 2.0

#: How often a certificate that ends soon is warned of.
WARN_EVERY_S = 86400.0


class Tls:
    """TLS as it is configured: with a certificate, or off. Raises StartError."""

    def __init__(self, section: TlsSection) -> None:
        self.certificate: Certificate | None = None
        self._warn_at = 0.0
        if not section.cert:
            for key in ("key", "required"):
                if getattr(section, key):
                    raise StartError(f"tls.{key} is set, and tls.cert is not; set it to the file of a certificate")
            return
        from gchat.server.certificate import Certificate, CertificateError  # noqa: PLC0415
        from gchat.server.handshakes import Handshakes  # noqa: PLC0415
        from gchat.server.read_guard import ReadGuard  # noqa: PLC0415
        from gchat.server.tls_transport import TlsTransport  # noqa: PLC0415

        self._wrapped = TlsTransport
        self._guard = ReadGuard()
        self._handshakes = Handshakes()
        try:
            self.certificate = Certificate(section)
        except CertificateError as error:
            raise StartError(f"cannot use TLS: {error}") from None

    @property
    def is_on(self) -> bool:
        """Whether peers can use TLS."""
        return self.certificate is not None

    def reload(self, section: TlsSection) -> None:
        """Use the certificate that is in the file now, for those who connect from now on, and log what comes of it."""
        if self.certificate is None:
            return
        from gchat.server.certificate import Certificate, CertificateError, shown  # noqa: PLC0415

        try:
            self.certificate = Certificate(section)
        except CertificateError as error:
            logger.error("certificate not reloaded, the old one stays: %(reason)s", {"reason": str(error)})
            return
        until = {"path": self.certificate.path, "until": shown(self.certificate.ends_at)}
        logger.info("certificate reloaded: %(path)s, valid until %(until)s", until)
        self._warn_at = 0.0

    def look(self) -> None:
        """Log once a day that the certificate ends soon; called again and again."""
        if self.certificate is None or time.time() < self._warn_at:
            return
        self._warn_at = time.time() + WARN_EVERY_S
        if warning := self.certificate.warning:
            logger.warning(warning)

    # --- The stage of the door -------------------------------------------------------------------------------------

    def enter(self, transport: SocketTransport, delay_s: float) -> Transport:
        """Return what a stream goes on with: the same, or one in TLS if it begins so within `delay_s`.

        Raises OSError; if the handshake fails, HandshakeError, and the socket is closed.
        """
        certificate = self.certificate
        if certificate is None or _first_byte(transport, delay_s) != HANDSHAKE:
            return transport
        sock = certificate.context.wrap_socket(
            transport.sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        try:
            self._handshakes.shake(sock)
        except BaseException:
            sock.close()
            raise
        self._guard.watch(sock)
        return self._wrapped(sock)

    # --- For the admin endpoint (see http_server.Security) ------------------------------------------------------------

    def wrap(self, sock: Any) -> Any:
        """Return a socket of gevent's in TLS, before its handshake; `sock` is used up. Raises OSError."""
        assert self.certificate is not None
        return self.certificate.gevent_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def shake(self, sock: Any) -> None:
        """Do its handshake. Raises OSError."""
        timeout_s = sock.gettimeout()
        sock.settimeout(0)
        self._handshakes.shake(sock)
        sock.settimeout(timeout_s)
        self._guard.watch(sock)


def _first_byte(transport: SocketTransport, delay_s: float) -> bytes:
    """Return the first byte of a stream, which is received again; b"" if it does not come in time, or never."""
    watcher = transport.readable()
    try:
        with gevent.Timeout(delay_s, False):  # type: ignore[arg-type]  # False: silent
            get_hub().wait(watcher)
    finally:
        watcher.close()
    with suppress(BlockingIOError):
        return transport.peek(1)
    return b""
